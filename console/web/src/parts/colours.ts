// Hues of services, each 3:1 at least against a light and a dark ground.
const hues = ['#1c7ed6', '#c2660a', '#2f9e44', '#ae3ec9', '#0c8599', '#d6336c', '#7048e8', '#8a6d00', '#5c7cfa', '#8d6e63', '#66892b', '#c0504d']
const given = new Map<string, number>()

// colourOf gives a service its colour, the same on every page. Two have the
// same only once there are more services than hues.
export function colourOf(service: string): string {
  let hue = given.get(service)
  if (hue === undefined) {
    hue = hashOf(service) % hues.length
    const taken = new Set(given.values())
    for (let step = 0; taken.has(hue) && step < hues.length; step++) hue = (hue + 1) % hues.length
    given.set(service, hue)
  }
  return hues[hue]!
}

function hashOf(text: string): number {
  let hash = 7
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0
  return hash
}
