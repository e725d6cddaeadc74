// createLog makes the log of the service that env describes.
export function createLog(env, write = line => process.stdout.write(line)) {
    const service = env['PLAT_SERVICE'] || 'recommendation';
    const instance = env['PLAT_INSTANCE'] || service;
    const at = (level) => (msg, fields) => {
        write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, service, instance, ...fields })}\n`);
    };
    return { info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}
