import { nonce } from '../../app/nonce'

// What the mail may do in its frame: be styled, and show what it carries.
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

// withhold keeps a picture from being asked for, which would tell its sender
// that the mail was read.
function withhold(image: HTMLImageElement) {
  image.title = `not loaded: ${image.src}`
  image.removeAttribute('src')
  image.removeAttribute('srcset')
}

// shielded makes a mail's HTML a document that loads nothing. The frame
// inherits the console's own policy as well, whose nonce its styles need.
export function shielded(html: string): string {
  const mail = new DOMParser().parseFromString(html, 'text/html')
  for (const element of mail.querySelectorAll('script, base, meta[http-equiv], link, iframe, object, embed, audio, video, source')) element.remove()
  for (const image of mail.querySelectorAll('img')) if (!image.src.startsWith('data:')) withhold(image)
  for (const style of mail.querySelectorAll('style')) style.setAttribute('nonce', nonce)
  const meta = mail.createElement('meta')
  meta.httpEquiv = 'Content-Security-Policy'
  meta.content = policy
  mail.head.prepend(meta)
  return `<!doctype html>${mail.documentElement.outerHTML}`
}
