import type { Experiment } from '../../api/chaos'
import { duration, share } from '../../parts/format'

// failing says in words what an experiment lets fail, a line for each.
export function failing({ faults, harms }: Experiment): string[] {
  const of = (faults ?? []).map(({ kind, delay, status, service, caller, instance, gateway, route, share: part, testCustomers }) =>
    [
      kind,
      delay ? duration(delay) : undefined,
      status ? String(status) : undefined,
      (instance ?? service) && `of ${instance ?? service}`,
      caller && `asked by ${caller}`,
      gateway && `at the gateway ${gateway}`,
      route && `on ${route}`,
      part !== undefined && part > 0 && part < 1 ? `for ${share(part)} of the requests` : undefined,
      testCustomers ? 'for test customers alone' : 'for every customer',
    ]
      .filter(Boolean)
      .join(' '),
  )
  return [...of, ...(harms ?? []).map(harm => `${harm.do} ${harm.instance ?? `an instance of ${harm.service}`}`)]
}
