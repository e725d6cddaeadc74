import { colourOf } from '../../parts/colours'

// ServiceChip is the colour of a service, beside its name.
export function ServiceChip({ name }: { name: string }) {
  return <span className="chip" style={{ background: colourOf(name) }} aria-hidden />
}
