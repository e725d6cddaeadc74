exports.page = (url) => `<h1>The shop</h1><p>You asked for ${url}</p>`;
