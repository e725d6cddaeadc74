package segment

import "slices"

// WithFiles makes the store write by create: a disk that fails when told to.
func (o Options) WithFiles(create func(name string) (File, error)) Options {
	o.create = create
	return o
}

// CreateFile is how files are made otherwise.
var CreateFile = createFile

// Sync is what Run does every half second.
func (s *Store) Sync() error { return s.sync() }

// Expire is what Run does now and then.
func (s *Store) Expire() error { return s.expire() }

// ReadLog is the reader of the log, for fuzzing: it opens what it finds.
func ReadLog(data []byte) (rows, end, gaps int) {
	end, list := readLog(data, func(payload []byte) {
		if f, err := openFrame(string(payload)); err == nil && f.check() == nil {
			rows += f.count
		}
	})
	return rows, end, len(list)
}

// Holding are the places of the values that hold a word of lower case.
func Holding(word string, values ...string) (places []int) {
	var data []byte
	offsets := []uint32{0}
	for _, v := range values {
		data = append(data, v...)
		offsets = append(offsets, uint32(len(data))) // #nosec G115 -- short
	}
	new(scan).eachHolding(newToken(word), data, offsets, func(i int) { places = append(places, i) })
	return places
}

// Neighbours tells which of some files of spans, by their rows, would be made
// one of: the first, and how many.
func Neighbours(rows ...int) (first, count int) {
	var files []*file
	for _, n := range rows {
		files = append(files, &file{Rows: n})
	}
	run := neighbours(files)
	if run == nil {
		return 0, 0
	}
	return slices.Index(files, run[0]), len(run)
}
