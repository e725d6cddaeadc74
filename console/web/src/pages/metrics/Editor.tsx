import { Combobox, Loader, TextInput, useCombobox } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { type Meta, propose } from './meta'

// Editor takes an expression, and completes names while it is written. Enter
// asks.
export function Editor({ value, first, meta, busy, onSubmit }: { value: string; first: boolean; meta: Meta | undefined; busy: boolean; onSubmit: (text: string) => void }) {
  const [text, setText] = useState(value)
  const [cursor, setCursor] = useState(0)
  const input = useRef<HTMLInputElement>(null)
  const box = useCombobox({ onDropdownClose: () => box.resetSelectedOption() })
  useEffect(() => setText(value), [value])
  const { word, proposals } = propose(text.slice(0, cursor), meta)
  const complete = (chosen: string) => {
    const begin = cursor - word.length
    const next = text.slice(0, begin) + chosen + text.slice(cursor)
    setText(next)
    setCursor(begin + chosen.length)
    box.closeDropdown()
    requestAnimationFrame(() => input.current?.setSelectionRange(begin + chosen.length, begin + chosen.length))
  }
  return (
    <Combobox store={box} onOptionSubmit={complete} withinPortal position="bottom-start" width={560} transitionProps={{ duration: 0 }}>
      <Combobox.Target>
        <TextInput
          ref={input}
          className="editor"
          size="sm"
          data-search={first || undefined}
          aria-label="Expression"
          placeholder="sum by (service) (rate(plat_requests_total[1m]))"
          spellCheck={false}
          autoComplete="off"
          value={text}
          rightSection={busy ? <Loader size={14} /> : undefined}
          onChange={event => {
            setText(event.currentTarget.value)
            setCursor(event.currentTarget.selectionStart ?? 0)
            box.openDropdown()
            box.resetSelectedOption()
          }}
          onBlur={() => {
            box.closeDropdown()
            if (text !== value) onSubmit(text)
          }}
          onKeyDown={event => {
            if (event.key === 'Enter' && box.getSelectedOptionIndex() < 0) onSubmit(text)
            if (event.key === 'Enter' && box.getSelectedOptionIndex() < 0) box.closeDropdown()
            if (event.key === 'Tab' && box.dropdownOpened && proposals[0]) {
              event.preventDefault()
              complete(proposals[0].text)
            }
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={proposals.length === 0}>
        <Combobox.Options aria-label="Completions">
          {proposals.map(({ text, about }) => (
            <Combobox.Option key={text} value={text} className="proposal">
              <span className="mono">{text}</span>
              <span className="dim">{about}</span>
            </Combobox.Option>
          ))}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
