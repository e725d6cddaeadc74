import { Link } from '@tanstack/react-router'
import { places } from './places'

export function Nav() {
  return (
    <nav className="nav" aria-label="Pages">
      {places.map(({ to, label, key, icon: Icon }) => (
        <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }} title={`${label} (g ${key})`}>
          <Icon size={17} aria-hidden />
          {label}
        </Link>
      ))}
    </nav>
  )
}
