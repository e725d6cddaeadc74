// Why is what the other side said, of which a long one shows its beginning.
export function Why({ children, until }: { children: string; until?: 'md' }) {
  return (
    <div className={until ? `until-${until} dim small-text` : 'reason'} title={children}>
      <div className="kept-cut">{children}</div>
    </div>
  )
}
