// The shop's pages: a plain Node program that is started by npm.
const http = require("node:http");
const { page } = require("./page");

const server = http.createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.end(page(request.url));
});
server.listen(process.env.PORT || 3000, "127.0.0.1", () => console.log("listening"));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
