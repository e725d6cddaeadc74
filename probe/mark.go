package probe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Signer makes and verifies the marks of test customers (docs/wire/test-mark.md).
// A mark says by its signature that plat sent the request: no customer can
// make one. It is safe for concurrent use.
type Signer struct{ key []byte }

// NewSigner makes a signer; who has the key can make marks.
func NewSigner(key []byte) *Signer { return &Signer{key} }

// Bounds of a mark.
const (
	markVersion = "1"
	maxMark     = 256
	maxAhead    = 24 * time.Hour // to its expiry
)

// Mark makes the mark of one run of a journey: VERSION.JOURNEY.RUN.EXPIRES.MAC.
func (s *Signer) Mark(journey, run string, expires time.Time) string {
	said := strings.Join([]string{markVersion, journey, run, strconv.FormatInt(expires.Unix(), 10)}, ".")
	return said + "." + s.mac(said)
}

func (s *Signer) mac(said string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("plat-test\n" + said))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Verify tells whose journey a mark is of. With entering, it comes from
// outside and counts only until it expires; else it was let in before, and
// what follows from a test customer's order stays a test, however late it is
// done.
func (s *Signer) Verify(mark string, now time.Time, entering bool) (journey string, ok bool) {
	if len(mark) > maxMark {
		return "", false
	}
	parts := strings.Split(mark, ".")
	if len(parts) != 5 || parts[0] != markVersion || parts[1] == "" || parts[2] == "" {
		return "", false
	}
	said := mark[:len(mark)-len(parts[4])-1]
	if !hmac.Equal([]byte(parts[4]), []byte(s.mac(said))) {
		return "", false
	}
	seconds, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return "", false
	}
	if expires := time.Unix(seconds, 0); entering && (!now.Before(expires) || expires.After(now.Add(maxAhead))) {
		return "", false
	}
	return parts[1], true
}

// Marked tells the events that follow from test customers of a journey, by
// their headers; nil of no journey: all are meant.
func (s *Signer) Marked(journey string) func(header map[string][]string) bool {
	if journey == "" {
		return nil
	}
	return func(header map[string][]string) bool {
		marks := header["ce-plattest"]
		if len(marks) != 1 {
			return false
		}
		whose, ok := s.Verify(marks[0], time.Time{}, false)
		return ok && whose == journey
	}
}
