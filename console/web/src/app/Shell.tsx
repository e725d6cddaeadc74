import './shell.css'
import { ActionIcon, AppShell, Burger, Kbd, Tooltip } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { useEffect } from 'react'
import { lacksKey } from '../api/client'
import { systemQuery } from '../api/queries'
import { ColorScheme } from './ColorScheme'
import { ConnectionMark, PlanBanner } from './Status'
import { NeedsKey } from './Fallback'
import { Keys } from './Keys'
import { Nav } from './Nav'
import { openPalette, Palette } from './Palette'

// Shell is what stands around every page.
export function Shell() {
  const [open, menu] = useDisclosure(false)
  const system = useQuery(systemQuery)
  const path = useRouterState({ select: state => state.location.pathname })
  useEffect(menu.close, [path])
  if (lacksKey(system.error)) {
    return (
      <main>
        <NeedsKey />
      </main>
    )
  }
  return (
    <AppShell header={{ height: 44 }} navbar={{ width: 190, breakpoint: 'sm', collapsed: { mobile: !open } }} padding={0}>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <AppShell.Header>
        <div className="bar">
          <Burger hiddenFrom="sm" size="sm" opened={open} onClick={menu.toggle} aria-label="Menu" aria-expanded={open} />
          <Link to="/" className="brand">
            <b>plat</b>
            {system.data && (
              <span>
                {system.data.name} <span className="dim">{system.data.environment}</span>
              </span>
            )}
          </Link>
          <div className="grow" />
          <ConnectionMark />
          <Tooltip label={<>Go to anything <Kbd size="xs">Ctrl K</Kbd></>}>
            <ActionIcon variant="default" onClick={openPalette} aria-label="Go to anything">
              <IconSearch size={16} />
            </ActionIcon>
          </Tooltip>
          <ColorScheme />
        </div>
      </AppShell.Header>
      <AppShell.Navbar>
        <Nav />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <PlanBanner />
        <Outlet />
      </AppShell.Main>
      <Palette />
      <Keys />
    </AppShell>
  )
}
