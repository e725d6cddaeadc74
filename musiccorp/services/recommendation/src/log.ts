// Log writes JSON lines to standard output, as plat and its siblings' do.
export type Fields = Record<string, unknown>

export interface Log {
  info(message: string, fields: Fields): void
  warn(message: string, fields: Fields): void
  error(message: string, fields: Fields): void
}

// createLog makes the log of the service that env describes.
export function createLog(env: NodeJS.ProcessEnv, write: (line: string) => unknown = line => process.stdout.write(line)): Log {
  const service = env['PLAT_SERVICE'] || 'recommendation'
  const instance = env['PLAT_INSTANCE'] || service
  const at = (level: string) => (msg: string, fields: Fields) => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, service, instance, ...fields })}\n`)
  }
  return { info: at('INFO'), warn: at('WARN'), error: at('ERROR') }
}
