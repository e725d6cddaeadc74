package segment

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const manifestName = "manifest.json"

// manifest lists the sealed files. It is written whole, with its checksum.
type manifest struct {
	Version string  `json:"version"`
	Next    uint64  `json:"next"`   // the number of the next file, sealed or of the log
	Sealed  uint64  `json:"sealed"` // files of the log up to this number are sealed
	Files   []*file `json:"files"`
}

// file is a sealed file.
type file struct {
	Name    string    `json:"name"`
	Seq     uint64    `json:"seq"`
	Rows    int       `json:"rows"`
	Bytes   int64     `json:"bytes"`
	Min     int64     `json:"min"` // nanoseconds of Unix time
	Max     int64     `json:"max"`
	Level   int       `json:"level,omitempty"` // how often it was compacted
	Sums    checksums `json:"sums"`            // CRC32C of each 32 KiB
	Damaged string    `json:"damaged,omitempty"`

	kind     kind
	uses     int    // queries that read it
	scrubbed uint64 // when, by the store's count
	gone     bool   // to be deleted when nobody uses it
}

// checksums are base64 in JSON, little-endian.
type checksums []uint32

// MarshalText writes base64.
func (c checksums) MarshalText() ([]byte, error) {
	b := make([]byte, 0, 4*len(c))
	for _, sum := range c {
		b = binary.LittleEndian.AppendUint32(b, sum)
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads base64.
func (c *checksums) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(b)%4 != 0 {
		return errors.New("expected base64 of checksums")
	}
	*c = make(checksums, 0, len(b)/4)
	for ; len(b) > 0; b = b[4:] {
		*c = append(*c, binary.LittleEndian.Uint32(b))
	}
	return nil
}

const stamp = "20060102T150405.000000000Z"

// fileName has the kind, the times of the oldest and the newest row, and the
// number.
func fileName(k kind, from, to int64, seq uint64) string {
	return fmt.Sprintf("%s-%s-%s-%012d.parquet", k, time.Unix(0, from).UTC().Format(stamp), time.Unix(0, to).UTC().Format(stamp), seq)
}

func kindOf(name string) (kind, bool) {
	for _, k := range []kind{spans, logs} {
		if strings.HasPrefix(name, k.String()+"-") && strings.HasSuffix(name, ".parquet") {
			return k, true
		}
	}
	return 0, false
}

// encode is the manifest's text: a line of JSON and one with its checksum.
func (m manifest) encode() ([]byte, error) {
	m.Version = version
	text, err := json.Marshal(m)
	return fmt.Appendf(text, "\n%08x\n", castagnoli(text)), err
}

// replace writes a file whole: a new one, a sync, a rename, a sync.
func replace(dir, name string, text []byte) error {
	tmp := filepath.Join(dir, name+".tmp")
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // #nosec G304 -- in the store's folder
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		if err = os.Rename(tmp, filepath.Join(dir, name)); err == nil {
			err = syncDir(dir)
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// readManifest reads it; there is none in a new folder.
func readManifest(dir string) (m manifest, there bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName)) // #nosec G304 -- in the store's folder
	if errors.Is(err, os.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	body, sum, _ := strings.Cut(string(text), "\n")
	if fmt.Sprintf("%08x\n", castagnoli([]byte(body))) != sum {
		return m, true, damage{"its checksum is wrong"}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return m, true, damage{err.Error()}
	}
	if m.Version != version {
		return m, true, fmt.Errorf("%s is of version %q, and this plat knows %q", manifestName, m.Version, version)
	}
	for _, f := range m.Files {
		k, ok := kindOf(f.Name)
		if !ok || filepath.Base(f.Name) != f.Name {
			return m, true, damage{"it names a file that is none of ours"}
		}
		f.kind = k
	}
	return m, true, nil
}
