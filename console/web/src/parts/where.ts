// An attribute filter is written as key=value; a value with spaces stands in
// quotes. Several are separated by spaces.

// wheres reads them.
export function wheres(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(/([^\s="]+)=(?:"([^"]*)"|(\S*))/g)].map(([, key, quoted, plain]) => `${key}=${quoted ?? plain ?? ''}`)
}

// written puts one more of them to those that there are.
export function withWhere(text: string | undefined, key: string, value: string): string {
  const all = wheres(text).filter(each => each !== `${key}=${value}`)
  return [...all, `${key}=${value}`].map(write).join(' ')
}

// withoutWhere takes one of them away.
export function withoutWhere(text: string | undefined, pair: string): string {
  return wheres(text)
    .filter(each => each !== pair)
    .map(write)
    .join(' ')
}

function write(pair: string): string {
  const cut = pair.indexOf('=')
  const value = pair.slice(cut + 1)
  return /[\s"]/.test(value) ? `${pair.slice(0, cut)}="${value.replaceAll('"', '')}"` : pair
}
