import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const dist = path.resolve(import.meta.dirname, '../dist')

// Keeps every asset in the one form that is served and committed: compressed.
// The page itself stays plain, since each answer has a nonce of its own in it.
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name === 'index.html') continue
        const file = path.join(entry.parentPath, entry.name)
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }))
        rmSync(file)
      }
    },
  }
}

// What the development server asks: a running plat, by the address and the
// token that lie beside its system.
function plat() {
  const state = process.env.PLAT_STATE ?? path.resolve(import.meta.dirname, '../../musiccorp/.plat')
  try {
    const { api } = JSON.parse(readFileSync(path.join(state, 'run.json'), 'utf8')) as { api: string }
    const token = readFileSync(path.join(state, 'token'), 'utf8').trim()
    const way = { target: api, changeOrigin: true, headers: { Authorization: `Bearer ${token}`, Origin: api } }
    return { '/v1': way, '/prometheus': way }
  } catch {
    return undefined
  }
}

export default defineConfig(({ command }) => ({
  plugins: [react(), compressed()],
  build: {
    outDir: dist,
    emptyOutDir: true,
    target: 'es2023',
    cssTarget: ['chrome125', 'firefox125', 'safari17.5'],
    assetsInlineLimit: 0,
    license: { fileName: 'LICENSES.md' },
    chunkSizeWarningLimit: 1600,
  },
  worker: { format: 'es' },
  server: { host: '127.0.0.1', proxy: command === 'serve' ? plat() : undefined },
}))
