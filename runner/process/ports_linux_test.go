package process

import "testing"

func FuzzParseAddr(f *testing.F) {
	f.Add("0100007F:1F90")
	f.Add("00000000000000000000000001000000:0050")
	f.Fuzz(func(t *testing.T, s string) {
		if addr, ok := parseAddr(s); ok != addr.IsValid() {
			t.Fatalf("%q is %v, %t", s, addr, ok)
		}
	})
}

func TestParseAddr(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:0050": "[::1]:80",
		"0000000000000000FFFF00000100007F:0050": "127.0.0.1:80",
		"0100007F":                              "",
		"0100:0050":                             "",
		"0100007F:FFFFF":                        "",
	} {
		got, ok := parseAddr(in)
		if text := got.String(); ok && text != want || !ok && want != "" {
			t.Errorf("%s is %s, %t, want %q", in, text, ok, want)
		}
	}
}
