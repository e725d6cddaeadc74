package telemetry

import "time"

// Resume finds, in files of output that are read again, the lines which are no
// records yet. Several lines of a service may bear one time: all that a program
// writes at once does.
type Resume struct {
	kept   map[string]mark // by service, the last line that is a record
	behind map[string]mark // what is still to be left out of what is read again
}

// mark is a time, and how many lines of it there are.
type mark struct {
	at time.Time
	n  int
}

// Stored takes records of output, the newest first, and tells whether older ones
// of that service are worth reading.
func (r *Resume) Stored(service string, at time.Time) bool {
	last, known := r.kept[service]
	if known && !at.Equal(last.at) {
		return false
	}
	r.keep(service, mark{at, last.n + 1})
	return true
}

func (r *Resume) keep(service string, m mark) {
	if r.kept == nil {
		r.kept = map[string]mark{}
	}
	r.kept[service] = m
}

// Begin begins to read the files, anew or again. It gives the time of the first
// line to look at: some before the last record of that service which is furthest
// behind, and never later than since.
func (r *Resume) Begin(since time.Time, overlap time.Duration) time.Time {
	r.behind = map[string]mark{}
	for service, m := range r.kept {
		r.behind[service] = m
		if early := m.at.Add(-overlap); early.Before(since) {
			since = early
		}
	}
	return since
}

// New tells whether the next line of a service is no record yet; then it counts as
// one from now on.
func (r *Resume) New(service string, at time.Time) bool {
	if m, behind := r.behind[service]; behind {
		switch {
		case at.Before(m.at):
			return false
		case at.Equal(m.at) && m.n > 0:
			m.n--
			r.behind[service] = m
			return false
		}
		delete(r.behind, service)
	}
	switch last := r.kept[service]; {
	case at.After(last.at):
		r.keep(service, mark{at, 1})
	case at.Equal(last.at):
		r.keep(service, mark{at, last.n + 1})
	}
	return true
}
