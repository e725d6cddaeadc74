import type { Description } from '../../api/types'
import { Copy } from '../../parts/Copy'
import { pretty } from '../../parts/format'
import { Nothing } from '../../parts/Page'

export function Declaration({ description: { declaration, file } }: { description: Description }) {
  if (!declaration) return <Nothing>It is not in the plan.</Nothing>
  return (
    <>
      <p className="dim" style={{ marginTop: 0, fontSize: 14 }}>
        As it holds now: defaults applied, environment overlaid.{' '}
        {file && (
          <>
            Written in <span className="mono">{file}</span>
            <Copy value={file} what="path" />
          </>
        )}
      </p>
      <pre className="text" tabIndex={0} aria-label="Declaration">{pretty(declaration)}</pre>
    </>
  )
}
