package idempotency

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plat-dev/plat/kit"
)

// MaxKey bounds a key, in characters.
const MaxKey = 255

// Codes of the problems that the package answers with.
const (
	CodeKeyMissing   = "idempotency-key-missing"   // 400: the route wants a key
	CodeKeyMalformed = "idempotency-key-malformed" // 400: no string of 1 to MaxKey characters
	CodeKeyReused    = "idempotency-key-reused"    // 422: it came before with another request
	CodeKeyRunning   = "idempotency-key-running"   // 409: its request is not over yet
	CodeAnswerLost   = "idempotency-answer-lost"   // 409: the request was done, what was answered is not known
	CodeKeysFull     = "idempotency-keys-full"     // 503: no more keys can be remembered
	CodeBodyBroken   = "body-broken"               // 400: the body did not come whole
)

// problem has the draft's titles.
func (k *Keys) problem(status int, code string) *kit.Problem {
	p := kit.NewProblem(status, code, "")
	p.Type = k.options.Docs
	switch code {
	case CodeKeyMissing:
		p.Title = "Idempotency-Key is missing"
		p.Detail = `this operation needs a key of your choice, new for each request that shall have an effect of its own, as in Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"`
	case CodeKeyMalformed:
		p.Title = "Idempotency-Key is malformed"
	case CodeKeyReused:
		p.Title = "Idempotency-Key is already used"
		p.Detail = "this key came before with another request; take a new key for a new request, and send the same request with the same key"
	case CodeKeyRunning:
		p.Title = "A request is outstanding for this Idempotency-Key"
		p.Detail = "the same request is still being worked on; send it again in a moment to get its answer"
	case CodeAnswerLost:
		p.Title = "The answer for this Idempotency-Key is lost"
		p.Detail = "the request was done, but what was answered is not known; look at its result, and do not send it again with another key"
	case CodeKeysFull:
		p.Title = "No Idempotency-Key can be remembered"
		p.Detail = "too many keys are remembered; nothing was done, send the same request again later"
	}
	return p
}

// parseKey reads the header's value: a string of structured fields (RFC 9651),
// or, unless strict, the bare characters of which most keys are made. Both
// spellings of one key are one key.
func parseKey(values []string, strict bool) (string, error) {
	if len(values) > 1 {
		return "", errors.New("there are several Idempotency-Key headers, expected one")
	}
	value := strings.Trim(values[0], " ")
	key, err := value, error(nil)
	switch {
	case strings.HasPrefix(value, `"`):
		key, err = parseString(value)
	case strict:
		err = errors.New(`the key must stand in double quotes, as in Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"`)
	case strings.ContainsFunc(value, func(r rune) bool { return !bare(r) }):
		err = errors.New("without quotes a key consists of letters, digits and -._~:+/=")
	}
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", errors.New("the key is empty")
	case len(key) > MaxKey:
		return "", fmt.Errorf("the key has %d characters, the limit is %d", len(key), MaxKey)
	}
	return key, nil
}

func bare(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~:+/=", r)
}

// parseString reads a quoted string; nothing may follow it (parameters have no
// meaning here, and taking what nobody defined would make keys out of mistakes).
func parseString(value string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			if i != len(value)-1 {
				return "", errors.New("something stands behind the closing quote of the key")
			}
			return b.String(), nil
		case c == '\\':
			i++
			if i == len(value) || value[i] != '"' && value[i] != '\\' {
				return "", errors.New(`in a key a backslash stands only before a double quote or a backslash`)
			}
			b.WriteByte(value[i])
		case c < ' ' || c > '~':
			return "", errors.New("a key consists of printable ASCII")
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote of the key is missing")
}
