import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import '@mantine/spotlight/styles.css'
import './app/app.css'
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { setNonce } from 'get-nonce'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Problem } from './api/client'
import { Live } from './api/live'
import { servicesQuery, systemQuery } from './api/queries'
import { LiveContext } from './app/live'
import { nonce } from './app/nonce'
import { makeRouter } from './app/router'
import { cssVariables, theme } from './app/theme'

setNonce(nonce) // for what locks scrolling under dialogs

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000, // changes are told, see Live
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && !(error instanceof Problem && error.status < 500),
      retryDelay: failures => 300 * 2 ** failures,
    },
  },
})
const router = makeRouter()
const live = new Live(queries)
live.start()

// What nearly every page shows is asked for while React begins, not after.
void queries.prefetchQuery(systemQuery)
void queries.prefetchQuery(servicesQuery)
if (location.pathname === '/') void import('./pages/Wall')
if (location.pathname === '/services') void import('./pages/Services')

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={cssVariables}
        defaultColorScheme="auto"
        colorSchemeManager={localStorageColorSchemeManager({ key: 'plat-color-scheme' })}
        getStyleNonce={() => nonce}
      >
        <LiveContext value={live}>
          <Notifications position="bottom-right" />
          <RouterProvider router={router} />
        </LiveContext>
      </MantineProvider>
    </QueryClientProvider>
  </StrictMode>,
)
