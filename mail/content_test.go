package mail_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/mail"
)

func lines(l ...string) string { return strings.Join(l, "\r\n") }

func content(t *testing.T, source string) mail.Content {
	t.Helper()
	box := open(t, t.TempDir(), mail.Options{})
	c, err := box.Get(add(t, box, source).ID)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := box.Raw(c.ID); err != nil || string(raw) != source {
		t.Fatalf("the source is not what came: %q, %v", raw, err)
	}
	return c
}

func TestContent(t *testing.T) {
	t.Parallel()
	c := content(t, lines(
		"From: =?utf-8?q?M=C3=BCller?= <m@example.com>",
		"Subject: =?iso-8859-1?q?Willkommen=2C_Z=FCrich?=",
		"MIME-Version: 1.0",
		`Content-Type: multipart/mixed; boundary="outer"`,
		"", "preamble",
		"--outer",
		`Content-Type: multipart/alternative; boundary="inner"`,
		"",
		"--inner", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable", "", "Gr=FC=DFe",
		"--inner", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", "", "PGI+R3LDvMOfZTwvYj4=",
		"--inner--",
		"--outer", "Content-Type: application/pdf", "Content-Transfer-Encoding: base64", "Content-Disposition: attachment; filename*=utf-8''Rechnung%20%E2%82%AC.pdf", "", "JVBERi0xLjQ=",
		"--outer", `Content-Type: image/png; name="logo.png"`, "Content-ID: <logo>", "", "png",
		"--outer", `Content-Type: text/plain; name="notes.txt"`, "Content-Disposition: attachment", "", "notes",
		"--outer--", ""))
	want := mail.Content{
		Headers: []mail.Header{{Name: "From", Value: "Müller <m@example.com>"}, {Name: "Subject", Value: "Willkommen, Zürich"}, {Name: "Mime-Version", Value: "1.0"}, {Name: "Content-Type", Value: `multipart/mixed; boundary="outer"`}},
		Text:    "Grüße", HTML: "<b>Grüße</b>",
		Attachments: []mail.Attachment{{Name: "Rechnung €.pdf", Type: "application/pdf", Size: 8}, {Name: "logo.png", Type: "image/png", Size: 3}, {Name: "notes.txt", Type: "text/plain", Size: 5}},
	}
	if c.Subject != "Willkommen, Zürich" {
		t.Errorf("subject = %q", c.Subject)
	}
	c.Mail = mail.Mail{}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Fatal(diff)
	}
}

func TestCharsets(t *testing.T) {
	t.Parallel()
	for charset, text := range map[string]string{
		"iso-2022-jp":  "\x1b$B$3$s$K$A$O\x1b(B",
		"shift_jis":    "\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd",
		"utf-8":        "こんにちは",
		"UTF-16BE":     "\x30\x53\x30\x93\x30\x6b\x30\x61\x30\x6f",
		"euc-jp":       "\xa4\xb3\xa4\xf3\xa4\xcb\xa4\xc1\xa4\xcf",
		"windows-1252": "", // only that it is known
	} {
		if c := content(t, "Content-Type: text/plain; charset="+charset+"\r\n\r\n"+text); text != "" && c.Text != "こんにちは" || c.Problem != "" {
			t.Errorf("%s: %q, problem %q", charset, c.Text, c.Problem)
		}
	}
}

// TestProblems: whatever is wrong with a mail is said, and what can be read of
// it is there.
func TestProblems(t *testing.T) {
	t.Parallel()
	deep := "Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
	for i := range 50 {
		deep += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for name, test := range map[string]struct{ source, problem, text string }{
		"nothing":              {"", "", ""},
		"no header":            {"just a line of text\r\n", "header", ""},
		"leading space":        {" x: y\r\n\r\ntext", "header", ""},
		"half a header":        {"Subject: half\r\nbroken line\r\n\r\ntext", "header", ""},
		"unknown charset":      {"Content-Type: text/plain; charset=klingon\r\n\r\nqapla'", "klingon", "qapla'"},
		"unknown encoding":     {"Content-Transfer-Encoding: rot13\r\n\r\nuryyb", "rot13", "uryyb"},
		"unreadable type":      {"Content-Type: text/plain; charset\r\n\r\ntext", "content type", ""},
		"broken base64":        {"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8h!!!!", "part 1", "hello!"},
		"no boundary":          {"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\ntext", "boundary", ""},
		"boundary never comes": {"Content-Type: multipart/mixed; boundary=x\r\n\r\ntext", "it ends before", ""},
		"cut in a part":        {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nthe beginning", "it ends before", "the beginning"},
		"too deep":             {deep, "deeper", ""},
		"too many parts":       {"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\n\r\n.\r\n", 1000) + "--x--", "500 parts", ""},
		"too many fields":      {strings.Repeat("A: b\r\n", 2000) + "\r\ntext", "500 fields", "text"},
		"endless header":       {"A: " + strings.Repeat("b", 1<<20) + "\r\n\r\ntext", "longer than", ""},
		"long text":            {"\r\n" + strings.Repeat("é", 2<<20), "cut", ""},
		"NUL and bad UTF-8":    {"Subject: a\x00b\r\n\r\n\x00\xff", "", "\x00\uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := content(t, test.source)
			if !strings.Contains(c.Problem, test.problem) || (c.Problem == "") != (test.problem == "") {
				t.Errorf("problem = %q, want one of %q", c.Problem, test.problem)
			}
			if test.text != "" && c.Text != test.text {
				t.Errorf("text = %.80q, want %q", c.Text, test.text)
			}
		})
	}
}

func FuzzContent(f *testing.F) {
	f.Add("Subject: x\r\n\r\ntext")
	f.Add("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html; charset=shift_jis\r\n\r\n<b>\r\n--x--")
	f.Add("Content-Type: text/plain; charset=utf-16; name*0*=utf-8''a; name*1=b\r\nContent-Transfer-Encoding: base64\r\n\r\n/v8=")
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 64<<10 {
			return
		}
		c := content(t, source)
		if !utf8.ValidString(c.Text + c.HTML + c.Problem + c.Subject) {
			t.Fatalf("not UTF-8: %+v", c)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}
