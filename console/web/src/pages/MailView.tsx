import { Stack, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { mailQuery, mailSourceQuery } from '../api/queries'
import type { MailContent } from '../api/types'
import { size } from '../parts/format'
import { Loaded, Nothing, Page } from '../parts/Page'
import { moment } from '../parts/time'
import { shielded } from './mail/shield'
import { Go } from '../parts/Go'

const route = getRouteApi('/mail/$id')

export function MailView() {
  const { id } = route.useParams()
  const mail = useQuery(mailQuery(id))
  return (
    <Page title={mail.data?.subject || 'Mail'} actions={<Go to="/mail">All mails</Go>}>
      <Loaded query={mail}>{data => <Content mail={data} />}</Loaded>
    </Page>
  )
}

function Content({ mail }: { mail: MailContent }) {
  const first = mail.html ? 'html' : 'text'
  const { part = first } = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <Stack gap="sm">
      {mail.problem && <div className="fault" data-severity="warning">It could not be read whole: {mail.problem}</div>}
      <dl className="facts">
        <dt>From</dt>
        <dd>{mail.from}</dd>
        <dt>To</dt>
        <dd>{(mail.to ?? []).join(', ')}</dd>
        <dt>Arrived</dt>
        <dd>{moment(mail.time)}</dd>
        {mail.attachments && mail.attachments.length > 0 && (
          <>
            <dt>Attachments</dt>
            <dd>{mail.attachments.map(file => `${file.name || 'unnamed'} (${file.type}, ${size(file.size)})`).join(', ')}</dd>
          </>
        )}
      </dl>
      <Tabs value={part} onChange={part => void navigate({ search: { part: part ?? undefined }, replace: true })} keepMounted={false}>
        <Tabs.List mb="sm">
          {mail.html && <Tabs.Tab value="html">HTML</Tabs.Tab>}
          <Tabs.Tab value="text">Text</Tabs.Tab>
          <Tabs.Tab value="headers">Headers</Tabs.Tab>
          <Tabs.Tab value="source">Source</Tabs.Tab>
        </Tabs.List>
        {mail.html && <Tabs.Panel value="html"><Html html={mail.html} /></Tabs.Panel>}
        <Tabs.Panel value="text">{mail.text ? <pre className="text" tabIndex={0} aria-label="Text">{mail.text}</pre> : <Nothing>The mail has no text.</Nothing>}</Tabs.Panel>
        <Tabs.Panel value="headers"><Headers mail={mail} /></Tabs.Panel>
        <Tabs.Panel value="source"><Source id={mail.id} /></Tabs.Panel>
      </Tabs>
    </Stack>
  )
}

// Html shows what was sent in a frame that runs no script, loads nothing and
// leads nowhere.
function Html({ html }: { html: string }) {
  return <iframe className="mail" title="The mail's HTML" sandbox="" referrerPolicy="no-referrer" srcDoc={shielded(html)} />
}

function Headers({ mail }: { mail: MailContent }) {
  return (
    <dl className="facts">
      {(mail.headers ?? []).map(({ name, value }, index) => (
        <Field key={index} name={name} value={value} />
      ))}
    </dl>
  )
}

function Field({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className="mono">{value}</dd>
    </>
  )
}

function Source({ id }: { id: string }) {
  const source = useQuery(mailSourceQuery(id))
  return <Loaded query={source}>{text => <pre className="text" tabIndex={0} aria-label="Source">{text}</pre>}</Loaded>
}
