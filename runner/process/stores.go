package process

// OpenStore is a file that a process has open.
type OpenStore struct {
	PID  int
	Path string // of a database with a log beside it, the database's
}
