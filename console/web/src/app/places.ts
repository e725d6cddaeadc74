import { IconApi, IconBellRinging, IconBolt, IconChartLine, IconDatabase, IconFileText, IconFlask, IconGauge, IconHeartBroken, IconLayoutList, IconListDetails, IconMail, IconRoute, IconShield, IconSitemap, IconTimeline } from '@tabler/icons-react'

// The pages, in the order and the groups of the menu: what runs, what happens,
// what holds it up, and what one works with. Each has a key that follows g.
export const groups = [
  [
    { to: '/', label: 'Overview', key: 'o', icon: IconGauge },
    { to: '/services', label: 'Services', key: 's', icon: IconListDetails },
    { to: '/map', label: 'Map', key: 'm', icon: IconSitemap },
  ],
  [
    { to: '/traces', label: 'Traces', key: 't', icon: IconTimeline },
    { to: '/logs', label: 'Logs', key: 'l', icon: IconFileText },
    { to: '/metrics', label: 'Metrics', key: 'x', icon: IconChartLine },
    { to: '/alerts', label: 'Alerts', key: 'w', icon: IconBellRinging },
    { to: '/journeys', label: 'Journeys', key: 'j', icon: IconRoute },
  ],
  [
    { to: '/policies', label: 'Policies', key: 'i', icon: IconShield },
    { to: '/cache', label: 'Cache', key: 'c', icon: IconDatabase },
    { to: '/degradation', label: 'Degradation', key: 'd', icon: IconHeartBroken },
    { to: '/experiments', label: 'Experiments', key: 'k', icon: IconFlask },
  ],
  [
    { to: '/events', label: 'Events', key: 'e', icon: IconBolt },
    { to: '/mail', label: 'Mailbox', key: 'b', icon: IconMail },
    { to: '/apis', label: 'APIs', key: 'a', icon: IconApi },
    { to: '/plan', label: 'Plan', key: 'p', icon: IconLayoutList },
  ],
] as const

export const places = groups.flat()
