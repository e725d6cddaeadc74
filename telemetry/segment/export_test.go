package segment

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

// ContainsFold looks for a text of lower case in any case.
func ContainsFold(in, text string) bool { return containsFold([]byte(in), []byte(text)) }
