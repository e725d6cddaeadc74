import { createTheme, type CSSVariablesResolver, Notification, Table, Tooltip } from '@mantine/core'

const sans = 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif'
const mono = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

export const theme = createTheme({
  fontFamily: sans,
  fontFamilyMonospace: mono,
  headings: { fontFamily: sans, fontWeight: '600', sizes: { h1: { fontSize: '1.25rem' }, h2: { fontSize: '1rem' }, h3: { fontSize: '0.875rem' } } },
  primaryColor: 'blue',
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: 'sm',
  respectReducedMotion: true,
  components: {
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 5, horizontalSpacing: 'sm', fz: 'sm' } }),
    Tooltip: Tooltip.extend({ defaultProps: { withArrow: true, openDelay: 300 } }),
  },
})

// Colours that carry meaning, dark enough on light ground and light enough on
// dark ground to be read (4.5:1).
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c636a',
    '--good': '#2b7a35',
    '--bad': '#c92a2a',
    '--warn': '#a14b00',
    '--busy': '#1864ab',
    '--idle': '#5c636a',
    '--panel': '#f8f9fa',
    '--line': '#dee2e6',
  },
  dark: {
    '--mantine-color-body': '#16181b',
    '--mantine-color-dimmed': '#a6adb4',
    '--good': '#69c779',
    '--bad': '#ff8787',
    '--warn': '#ffb55a',
    '--busy': '#74c0fc',
    '--idle': '#a6adb4',
    '--panel': '#1d2024',
    '--line': '#34383d',
  },
})
