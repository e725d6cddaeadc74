import { open } from 'node:fs/promises'
import path from 'node:path'

// syncFolder makes sure that the name of a file is on disk. Systems that
// cannot sync a folder keep names by themselves.
export async function syncFolder(file: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path.dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
