// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Steps get certificates, and nothing else that is in the file.
func TestCheckCertificates(t *testing.T) {
	block := func(kind string) string {
		return "-----BEGIN " + kind + "-----\nAAAA\n-----END " + kind + "-----\n"
	}
	certificate := block("CERTIFICATE")
	for _, tt := range []struct{ data, err string }{
		{certificate, ""},
		{"# an authority\n" + certificate + block("TRUSTED CERTIFICATE"), ""},
		{"", "no certificate"},
		{"text", "no certificate"},
		{certificate + block("PRIVATE KEY"), "private key"},
		{block("ENCRYPTED PRIVATE KEY") + certificate, "private key"},
		{strings.ReplaceAll(certificate+block("RSA PRIVATE KEY"), "\n", "\r\n"), "private key"},
		{certificate + "  " + block("OPENSSH PRIVATE KEY"), "private key"},
		{certificate + block("PGP PRIVATE KEY BLOCK"), "private key"},
		{certificate + block("DH PARAMETERS"), `more than certificates, "DH PARAMETERS"`},
		{block("PUBLIC KEY"), "more than certificates"},
	} {
		err := checkCertificates([]byte(tt.data))
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: %v, want %q", tt.data, err, tt.err)
		}
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	const good = "# an authority\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
	for name, text := range map[string]string{
		"good": good, "empty": "", "text": "hello", "key": good + "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
		"long": good + strings.Repeat("#", mostCertificates),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"good": "", "empty": "no certificate", "text": "no certificate", "key": "private key", "long": "16 MiB", "none": "no such file",
	} {
		o := Certificates{file: filepath.Join(dir, name)}
		got, err := o.Read(os.Getenv)
		if want == "" {
			if err != nil || string(got) != good {
				t.Errorf("%s: %v, %q", name, err, got)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	o := Certificates{file: hostCertificates}
	if got, err := o.Read(func(name string) string { return map[string]string{"SSL_CERT_FILE": filepath.Join(dir, "good")}[name] }); err != nil || string(got) != good {
		t.Errorf("the host's: %v, %q", err, got)
	}
	if got, err := (&Certificates{}).Read(os.Getenv); err != nil || got != nil {
		t.Errorf("none: %v, %q", err, got)
	}
}
