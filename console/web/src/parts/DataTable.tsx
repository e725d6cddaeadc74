import { Table } from '@mantine/core'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'
import type { ReactNode } from 'react'

export interface Column<T> {
  key: string
  header: string
  cell: (row: T) => ReactNode
  sort?: (row: T) => string | number // absent: the column does not sort
  number?: boolean
  from?: 'sm' | 'md' | 'lg' | 'xl' // hidden on narrower screens
}

// Sort is a column's key, with a minus before it for descending.
export type Sort = string

interface Props<T> {
  label: string
  columns: Column<T>[]
  rows: T[]
  id: (row: T) => string
  sort?: Sort
  onSort?: (sort: Sort) => void
  selected?: string
}

export function DataTable<T>({ label, columns, rows, id, sort = '', onSort, selected }: Props<T>) {
  const className = (column: Column<T>) => [column.number && 'number', column.from && `from-${column.from}`].filter(Boolean).join(' ')
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={label}>
      <Table highlightOnHover aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {columns.map(column => (
              <Table.Th key={column.key} className={className(column)} aria-sort={direction(sort, column.key)}>
                {column.sort && onSort ? <SortButton column={column} sort={sort} onSort={onSort} /> : column.header}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sorted(rows, columns, sort).map(row => (
            <Table.Tr key={id(row)} data-selected={selected === id(row) || undefined}>
              {columns.map(column => (
                <Table.Td key={column.key} className={className(column)}>
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function SortButton<T>({ column, sort, onSort }: { column: Column<T>; sort: Sort; onSort: (sort: Sort) => void }) {
  const now = direction(sort, column.key)
  return (
    <button type="button" onClick={() => onSort(now === 'ascending' ? `-${column.key}` : column.key)}>
      {column.header}
      {now === 'ascending' && <IconArrowUp size={13} aria-hidden />}
      {now === 'descending' && <IconArrowDown size={13} aria-hidden />}
    </button>
  )
}

function direction(sort: Sort, key: string): 'ascending' | 'descending' | undefined {
  if (sort === key) return 'ascending'
  if (sort === `-${key}`) return 'descending'
  return undefined
}

function sorted<T>(rows: T[], columns: Column<T>[], sort: Sort): T[] {
  const value = columns.find(column => column.key === sort.replace(/^-/, ''))?.sort
  if (!value) return rows
  const sign = sort.startsWith('-') ? -1 : 1
  return rows.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)]
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)))
  })
}
