import { Text } from '@mantine/core'
import { type ErrorComponentProps } from '@tanstack/react-router'
import { Command } from '../parts/Copy'
import { Failure } from '../parts/Faults'
import { Page } from '../parts/Page'
import { Go } from '../parts/Go'

export function NoSuchPage() {
  return (
    <Page title="No such page">
      <Text size="sm">
        The console has no page at this address. <Go to="/services" underline="always">All services</Go>
      </Text>
    </Page>
  )
}

// Crash is shown when a page's code fails, or cannot be loaded since plat was
// replaced by another version.
export function Crash({ error }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <Failure error={error} again={() => window.location.reload()} />
    </Page>
  )
}

// NeedsKey is shown to a browser without a session.
export function NeedsKey() {
  return (
    <Page title="This console needs a key">
      <Text size="sm" mb="sm">
        The address that plat printed opens it once and leaves a cookie in this browser. A new address comes from:
      </Text>
      <Command>plat console</Command>
    </Page>
  )
}
