import { IconApi, IconBolt, IconChartLine, IconFileText, IconLayoutList, IconListDetails, IconMail, IconSitemap, IconTimeline } from '@tabler/icons-react'

// The pages, in the order of the menu; each has a key that follows g.
export const places = [
  { to: '/services', label: 'Services', key: 's', icon: IconListDetails },
  { to: '/map', label: 'Map', key: 'm', icon: IconSitemap },
  { to: '/traces', label: 'Traces', key: 't', icon: IconTimeline },
  { to: '/logs', label: 'Logs', key: 'l', icon: IconFileText },
  { to: '/metrics', label: 'Metrics', key: 'x', icon: IconChartLine },
  { to: '/events', label: 'Events', key: 'e', icon: IconBolt },
  { to: '/mail', label: 'Mailbox', key: 'b', icon: IconMail },
  { to: '/apis', label: 'APIs', key: 'a', icon: IconApi },
  { to: '/plan', label: 'Plan', key: 'p', icon: IconLayoutList },
] as const
