import { Link } from '@tanstack/react-router'
import { Fragment } from 'react'
import { groups } from './places'

export function Nav() {
  return (
    <nav className="nav" aria-label="Pages">
      {groups.map((places, index) => (
        <Fragment key={places[0].to}>
          {index > 0 && <hr />}
          {places.map(({ to, label, key, icon: Icon }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }} title={`${label} (g ${key})`}>
              <Icon size={17} aria-hidden />
              {label}
            </Link>
          ))}
        </Fragment>
      ))}
    </nav>
  )
}
