package redact_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/plat-dev/plat/redact"
)

func TestText(t *testing.T) {
	t.Parallel()
	r := redact.New([]string{"iban"}, []*regexp.Regexp{regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)})
	const x = redact.Mark
	for text, want := range map[string]string{
		"":                                     "",
		"order placed":                         "order placed",
		"password=hunter2 user=sam":            "password=" + x + " user=sam",
		"PASSWORD: hunter2, user: sam":         "PASSWORD: " + x + ", user: sam",
		`{"password":"hunter2","user":"sam"}`:  `{"password":"` + x + `","user":"sam"}`,
		`{"password": "hun\"ter2", "n": 1}`:    `{"password": "` + x + `", "n": 1}`,
		`{"pin_token":12345,"n":1}`:            `{"pin_token":` + x + `,"n":1}`,
		`{"tokens":["abc","def"],"n":1}`:       `{"tokens":["abc","def"],"n":1}`,
		`{"secrets":["abc","def"],"n":1}`:      `{"secrets":[` + x + `],"n":1}`,
		`{"secret":null,"token":true}`:         `{"secret":null,"token":true}`,
		`{"secret":{"password":"abc"}}`:        `{"secret":{"password":"` + x + `"}}`,
		`msg="{\"apiKey\":\"abc\",\"n\":1}"`:   `msg="{\"apiKey\":\"` + x + `\",\"n\":1}"`,
		"Authorization: Bearer abc.def.ghi":    "Authorization: " + x,
		"Authorization: Digest a=b, c=d\nX: 1": "Authorization: " + x + "\nX: 1",
		"Set-Cookie: id=abc; Path=/; Secure":   "Set-Cookie: " + x,
		"curl -H bearer abcdefgh0":             "curl -H bearer " + x,
		"a bearer of news, basic training":     "a bearer of news, basic training",
		"postgres://sam:hunter2@db/shop":       "postgres://sam:" + x + "@db/shop",
		"http://sam@host/ a:b@c":               "http://sam@host/ a:b@c",
		"GET /x?access_token=abc&n=1":          "GET /x?access_token=" + x + "&n=1",
		"card 4111 1111 1111 1111 taken":       "card " + x + " taken",
		"card 4111-1111-1111-1111":             "card " + x,
		"card 4111111111111112":                "card 4111111111111112",
		"at 1767323045000000000 ns":            "at 1767323045000000000 ns",
		"order 01a209a4-daab-7727-9a08":        "order 01a209a4-daab-7727-9a08",
		"iban=DE02120300000000202051 paid":     "iban=" + x + " paid",
		"key AKIAIOSFODNN7EXAMPLE in use":      "key " + x + " in use",
		"token_count=12 token_type=bearer":     "token_count=12 token_type=bearer",
		"password=" + x:                        "password=" + x,
		"password=":                            "password=",
		`password="unended`:                    `password="` + x,
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		} else if twice := r.Text(got); twice != want {
			t.Errorf("%s\nagain %s\n want %s", text, twice, want)
		}
	}
}

// FuzzText holds that no password remains, whatever stands before it.
func FuzzText(f *testing.F) {
	for _, s := range []string{"password=x", `{"token":"a\"b"}`, "a://b:c@d", "4111 1111 1111 1111", "Bearer abcdefgh0", `\"secret\":\"`, "token:[", "cookie='"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := redact.New(nil, nil)
		if line := s + "\npassword=hunter2 "; strings.Contains(r.Text(line), "hunter2") {
			t.Errorf("the password is left in %q", r.Text(line))
		}
	})
}

func BenchmarkLine(b *testing.B) {
	r := redact.New(nil, nil)
	line := `{"time":"2026-01-02T03:04:05.067Z","level":"INFO","msg":"order placed","service":"order","instance":"order-1","order":"01a209a4-daab-7727-9a08-3f8e608ea0b3","total":1299}`
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		r.Text(line)
	}
}
