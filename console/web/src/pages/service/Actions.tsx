import { Button, Group, NumberInput, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconReload, IconStack2 } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { change } from '../../api/client'
import type { Service } from '../../api/types'
import { Confirm } from '../../parts/Confirm'
import { counted } from '../../parts/format'

const most = 100 // instances, as the API takes them

export function Actions({ service }: { service: Service }) {
  if (service.outside) return <Text size="sm" c="dimmed">registered itself: plat does not run it</Text>
  return (
    <Group gap="xs">
      <Restart name={service.name} />
      <Scale service={service} />
    </Group>
  )
}

function Restart({ name }: { name: string }) {
  const [open, dialog] = useDisclosure(false)
  const restart = useMutation({
    mutationFn: () => change('POST', `/v1/services/${encodeURIComponent(name)}/restart`),
    onSuccess: () => {
      dialog.close()
      notifications.show({ message: `${name} is restarted`, color: 'green' })
    },
  })
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconReload size={14} />} onClick={dialog.open}>
        Restart
      </Button>
      <Confirm
        title={`Restart ${name}`}
        action="Restart"
        running="Building, then replacing the instances one by one…"
        busy={restart.isPending}
        error={restart.error}
        open={open}
        close={dialog.close}
        act={() => restart.mutate()}
      >
        <Text size="sm">Builds {name} anew and replaces its instances one by one, so that it goes on serving.</Text>
      </Confirm>
    </>
  )
}

function Scale({ service: { name, desired, override } }: { service: Service }) {
  const [open, dialog] = useDisclosure(false)
  const [instances, setInstances] = useState<number | string>(desired)
  const wanted = Number(instances)
  const valid = instances !== '' && Number.isInteger(wanted) && wanted >= 0 && wanted <= most
  const scale = useMutation({
    mutationFn: () => change('POST', `/v1/services/${encodeURIComponent(name)}/scale`, { instances: wanted }),
    onSuccess: () => {
      dialog.close()
      notifications.show({ message: `${name} has ${counted(wanted, 'instance')}`, color: 'green' })
    },
  })
  const show = () => {
    setInstances(desired)
    scale.reset()
    dialog.open()
  }
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconStack2 size={14} />} onClick={show}>
        Scale
      </Button>
      <Confirm
        title={`Scale ${name}`}
        action="Scale"
        running={`Waiting until ${counted(wanted, 'instance')} ${wanted === 1 ? 'is' : 'are'} ready…`}
        busy={scale.isPending}
        error={scale.error}
        open={open}
        close={dialog.close}
        act={() => valid && scale.mutate()}
      >
        <NumberInput label="Instances" min={0} max={most} allowDecimal={false} value={instances} onChange={setInstances} error={valid ? undefined : `A number from 0 to ${most}`} />
        <Text size="sm" mt="xs" c="dimmed">
          {override ? 'The number was set by hand. ' : ''}It holds until plat ends; service.yaml says what is started then.
        </Text>
      </Confirm>
    </>
  )
}
