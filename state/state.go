// Package state owns the folder .plat beside plat.yaml: who holds it, which
// plat runs in it, and the token of its control API. What lies inside the
// sub-folders belongs to other rooms.
//
// It must never import another room: the command line finds a running plat
// through it, and control opens it before anything else.
package state

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Name is the folder's name, and Format the version of what plat keeps in it.
const (
	Name   = ".plat"
	Format = "plat-state 1\n"
)

const (
	formatFile = "format"
	ignoreFile = ".gitignore" // the token must not be committed
	lockFile   = "lock"
	runFile    = "run.json"
	tokenFile  = "token"
	secretFile = "secret"
)

// Run tells where a running plat is found.
type Run struct {
	PID         int               `json:"pid"`
	Guard       int               `json:"guard,omitempty"` // process that starts the instances
	System      string            `json:"system"`
	Environment string            `json:"environment"`
	API         string            `json:"api"`      // http://127.0.0.1:8001
	Gateways    map[string]string `json:"gateways"` // by name, http://127.0.0.1:8000
	Started     time.Time         `json:"started"`
}

// Folder is a state folder that this process holds.
type Folder struct {
	Path string // absolute
	lock *os.File
}

type holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// Open makes the state folder of the system at root where it is missing, and
// takes its lock. Faults: state-locked names the holder, state-foreign and
// state-torn name the file and the remedy, state-denied the permission.
func Open(root string) (*Folder, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, denied(root, err)
	}
	path := filepath.Join(root, Name)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, denied(path, err)
	}
	if err := recognise(path); err != nil {
		return nil, err
	}
	f := &Folder{Path: path}
	if err := f.take(); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{formatFile: Format, ignoreFile: "*\n"} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			return nil, errors.Join(denied(path, err), f.release())
		}
	}
	if err := f.awaitGuard(); err != nil {
		return nil, errors.Join(err, f.release())
	}
	return f, nil
}

// recognise refuses a folder that some other program, or a later plat, made.
func recognise(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return denied(path, err)
	}
	if !info.IsDir() {
		return fault.Newf(fault.StateForeign, "%s is not a folder", path).Fix("move it away: mv " + path + " " + path + ".old")
	}
	text, err := os.ReadFile(filepath.Join(path, formatFile)) //nolint:gosec // the path is the user's own system folder
	switch {
	case err == nil && string(text) == Format:
		return nil
	case err == nil && strings.HasPrefix(string(text), "plat-state ") && strings.HasSuffix(string(text), "\n"):
		return fault.Newf(fault.StateForeign, "%s was made by another version of plat (%s)", path, strings.TrimSpace(string(text))).
			Why("this one knows " + strings.TrimSpace(Format)).
			Fix("use that plat, or move the folder away: mv " + path + " " + path + ".old")
	case err == nil:
		return fault.Newf(fault.StateTorn, "%s does not say what made this folder", filepath.Join(path, formatFile)).
			Why("it was half written or changed by hand").
			Fix("move the folder away: mv " + path + " " + path + ".old")
	case !errors.Is(err, fs.ErrNotExist):
		return denied(path, err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return denied(path, err)
	}
	for _, e := range entries {
		if e.Name() != lockFile { // a plat that died between its lock and its mark
			return fault.Newf(fault.StateForeign, "%s holds %s, which plat did not put there", path, e.Name()).
				Fix("move the folder away: mv " + path + " " + path + ".old")
		}
	}
	return nil
}

// take locks the folder; the lock ends with the process, however it ends.
func (f *Folder) take() error {
	name := filepath.Join(f.Path, lockFile)
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the user's own system folder
	if err != nil {
		return denied(f.Path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = lock.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return denied(f.Path, err)
		}
		who := "another process"
		var h holder
		if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &h) == nil && h.PID > 0 { //nolint:gosec // as above
			who = fmt.Sprintf("process %d since %s", h.PID, h.Since.Local().Format(time.DateTime))
		}
		return fault.Newf(fault.StateLocked, "%s is used by %s", f.Path, who).
			Why("one system folder runs once").
			Fix("plat ps -C " + filepath.Dir(f.Path) + " shows it, plat down -C " + filepath.Dir(f.Path) + " stops it")
	}
	text, err := json.Marshal(holder{PID: os.Getpid(), Since: time.Now()})
	if err == nil {
		err = errors.Join(lock.Truncate(0), writeAt(lock, text))
	}
	if err != nil {
		return errors.Join(denied(f.Path, err), lock.Close())
	}
	f.lock = lock
	return nil
}

// awaitGuard waits until the guard of a plat that was killed has ended what
// it started: two systems would fight for the same stores.
func (f *Folder) awaitGuard() error {
	run, err := ReadRun(f.Path)
	if err != nil || run == nil || run.Guard == 0 {
		return err
	}
	deadline := time.Now().Add(5 * time.Second)
	for guardAlive(run.Guard) {
		if time.Now().After(deadline) {
			return fault.Newf(fault.StateLocked, "%s is used by the guard process %d of a plat that has ended", f.Path, run.Guard).
				Why("it still ends the instances that it started").Fix(fmt.Sprintf("wait, or end it: kill -9 %d", run.Guard))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// guardAlive tells whether pid lives and is a plat: the number may have gone
// to another program.
func guardAlive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	own, err := os.Executable()
	if err != nil {
		return false
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == filepath.Base(own)
}

// Held tells whether a plat holds the state folder. The lock ends with its
// process, so what run.json says is not believed without.
func Held(path string) bool {
	lock, err := os.Open(filepath.Join(path, lockFile)) //nolint:gosec // the path is the user's own system folder
	if err != nil {
		return false
	}
	defer func() { _ = lock.Close() }()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return true
	}
	_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) // it was free
	return false
}

// Lost tells whether the folder was taken away from under this process: its
// lock is no longer the file of that name.
func (f *Folder) Lost() bool {
	mine, err := f.lock.Stat()
	if err != nil {
		return true
	}
	now, err := os.Stat(filepath.Join(f.Path, lockFile))
	return err != nil || !os.SameFile(mine, now)
}

// Publish writes run.json, so that the command line finds this plat.
func (f *Folder) Publish(run Run) error {
	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return err
	}
	return f.write(runFile, append(text, '\n'))
}

// NewToken makes the control API's token of this run and keeps it in the
// folder, readable by its owner alone.
func (f *Folder) NewToken() (string, error) {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	token := hex.EncodeToString(raw[:])
	return token, f.write(tokenFile, []byte(token+"\n"))
}

// Secret is the system's own secret, 32 random bytes that are made once and
// kept in the folder, readable by its owner alone: what a service's secrets
// derive from where nobody sets them. The fault is state-torn when the file is
// not what was written.
func (f *Folder) Secret() ([]byte, error) {
	name := filepath.Join(f.Path, secretFile)
	text, err := os.ReadFile(name) //nolint:gosec // the path is the user's own system folder
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		return secret, f.write(secretFile, []byte(hex.EncodeToString(secret)+"\n"))
	}
	if err != nil {
		return nil, denied(f.Path, err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fault.Newf(fault.StateTorn, "%s cannot be read", name).Why("it was half written or changed by hand").
			Fix("move it away: mv " + name + " " + name + ".old; services get new secrets then").Because(err)
	}
	return secret, nil
}

// write replaces a file as a whole: a reader, or a crash, sees the old or the
// new one.
func (f *Folder) write(name string, text []byte) error {
	path := filepath.Join(f.Path, name)
	temp := path + ".tmp"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return denied(f.Path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return denied(f.Path, err)
	}
	return nil
}

// Close removes run.json and the token, and gives the folder free.
func (f *Folder) Close() error {
	for _, name := range []string{runFile, tokenFile} {
		_ = os.Remove(filepath.Join(f.Path, name)) // absent when the start did not come that far
	}
	return f.release()
}

// release unlocks before it closes: a child that is being forked at this
// moment has the lock's descriptor too, and closing alone would leave it the
// lock until it executes its program.
func (f *Folder) release() error {
	return errors.Join(syscall.Flock(int(f.lock.Fd()), syscall.LOCK_UN), f.lock.Close())
}

// ReadRun reads run.json of a state folder; nil where there is none.
func ReadRun(path string) (*Run, error) {
	name := filepath.Join(path, runFile)
	text, err := os.ReadFile(name) //nolint:gosec // the path is the user's own system folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // absent is an answer
	}
	if err != nil {
		return nil, denied(path, err)
	}
	var run Run
	if err := json.Unmarshal(text, &run); err != nil {
		return nil, fault.Newf(fault.StateTorn, "%s cannot be read", name).Why("it was half written or changed by hand").
			Fix("move it away: mv " + name + " " + name + ".old").Because(err)
	}
	return &run, nil
}

// ReadToken reads the control API's token of a state folder.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(path, tokenFile)) //nolint:gosec // the path is the user's own system folder
	if err != nil {
		return "", denied(path, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Find looks for the system's folder (the one with plat.yaml) in dir and above
// it, as git does. It returns dir itself when there is none.
func Find(dir string) (root string, found bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return dir, false
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "plat.yaml")); err == nil {
			return at, true
		}
		if at == filepath.Dir(at) {
			return dir, false
		}
	}
}

func denied(path string, err error) error {
	reason := err.Error()
	var pe *fs.PathError
	if errors.As(err, &pe) {
		reason = pe.Err.Error()
	}
	return fault.Newf(fault.StateDenied, "%s cannot be used", path).Why(reason).
		Fix("give yourself read and write permission there, or choose another folder with -C").Because(err)
}

func writeAt(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	return err
}
