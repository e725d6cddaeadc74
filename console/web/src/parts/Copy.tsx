import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'

export function Copy({ value, what = 'command' }: { value: string; what?: string }) {
  return (
    <CopyButton value={value} timeout={1_500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy the ${what}`}>
          <ActionIcon variant="subtle" color="gray" size="sm" style={{ verticalAlign: 'middle' }} onClick={copy} aria-label={copied ? 'Copied' : `Copy the ${what}: ${value}`}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}

// Command is a line for the terminal, with a button that copies it.
export function Command({ children }: { children: string }) {
  return (
    <span className="command">
      <code>{children}</code>
      <Copy value={children} />
    </span>
  )
}
