import { Kbd, Modal, Table } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { writes } from '../parts/keys'
import { places } from './places'

const patience = 1_500 // from g to the second key, milliseconds

// Keys makes the console work without a mouse: / leads to the page's search,
// g and a letter to a page, ? shows them all.
export function Keys() {
  const navigate = useNavigate()
  const [shown, help] = useDisclosure(false)
  useEffect(() => {
    let began = 0
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return
      const second = Date.now() - began < patience
      began = 0
      const page = second ? places.find(place => place.key === event.key) : undefined
      if (page) void navigate({ to: page.to })
      else if (event.key === 'g') began = Date.now()
      else if (event.key === '?') help.toggle()
      else if (event.key === '/') search()
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [navigate, help.toggle])
  return (
    <Modal opened={shown} onClose={help.close} title="Keys" size="sm" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Table>
        <Table.Tbody>
          <Line keys={['/']} what="The page's search" />
          <Line keys={['Ctrl', 'K']} what="Go to anything" />
          {places.map(place => (
            <Line key={place.key} keys={['g', place.key]} what={place.label} />
          ))}
          <Line keys={['j', 'k']} what="Next and previous row" />
          <Line keys={['[', ']']} what="Earlier and later" />
          <Line keys={['?']} what="These keys" />
        </Table.Tbody>
      </Table>
    </Modal>
  )
}

function Line({ keys, what }: { keys: string[]; what: string }) {
  return (
    <Table.Tr>
      <Table.Td w={90}>
        {keys.map(key => (
          <Kbd key={key} size="xs" mr={4}>
            {key}
          </Kbd>
        ))}
      </Table.Td>
      <Table.Td>{what}</Table.Td>
    </Table.Tr>
  )
}

function search() {
  const input = document.querySelector<HTMLInputElement>('input[data-search]')
  input?.focus()
  input?.select()
}
