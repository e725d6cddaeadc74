// Builds dist/ out of src/ where it is not built of exactly that already; the
// compiler is installed for it, and only then. dist/ is committed, so that a
// machine with Node and nothing else, not even a network, can run the service.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const at = (...names) => path.join(here, ...names)
const seal = at('dist', 'built.json') // says what dist/ was built of

// fingerprint is of the names and contents of files, and of all in folders.
function fingerprint(...names) {
  const hash = createHash('sha256')
  const add = name => {
    if (statSync(at(name)).isDirectory()) {
      for (const entry of readdirSync(at(name)).sort()) add(path.posix.join(name, entry))
    } else if (at(name) !== seal) {
      const content = readFileSync(at(name), 'utf8').replaceAll('\r\n', '\n')
      hash.update(`${name}\n${content.length}\n${content}`)
    }
  }
  names.forEach(add)
  return hash.digest('hex')
}

const sources = () => fingerprint('src', 'package.json', 'tsconfig.json')

export function upToDate() {
  if (!existsSync(seal)) return false
  const built = JSON.parse(readFileSync(seal, 'utf8'))
  return built.sources === sources() && built.program === fingerprint('dist')
}

function run(command, ...parameters) {
  const { status, error } = spawnSync(command, parameters, { cwd: here, stdio: 'inherit', shell: process.platform === 'win32' })
  if (error || status !== 0) {
    console.error(`${[command, ...parameters].join(' ')} ${error ? `does not start: ${error.message}` : `ended with ${status}`}`)
    process.exit(1)
  }
}

function build() {
  const installed = at('node_modules', '.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(at('package-lock.json')).mtimeMs) {
    run('npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error')
  }
  rmSync(at('dist'), { recursive: true, force: true })
  run(process.execPath, at('node_modules', 'typescript', 'bin', 'tsc'), '--project', at('tsconfig.json'))
  writeFileSync(seal, JSON.stringify({ sources: sources(), program: fingerprint('dist') }, null, 2) + '\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--force') || !upToDate()) build()
}
