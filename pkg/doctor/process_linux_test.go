// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

// tree makes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPlaceOf(t *testing.T) {
	const overlay = "1 2 0:30 / / rw,relatime - overlay overlay rw\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  Place
	}{
		{"nothing", nil, nil, Host},
		{"service of a cluster", nil, map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Kubernetes},
		{"service account", map[string]string{"var/run/secrets/kubernetes.io/serviceaccount/token": "", ".dockerenv": ""}, nil, Kubernetes},
		{"docker", map[string]string{".dockerenv": ""}, nil, Docker},
		{"podman", map[string]string{"run/.containerenv": ""}, map[string]string{"container": "podman"}, Podman},
		{"another", nil, map[string]string{"container": "oci"}, Container},
		{"a root like a container's", map[string]string{"proc/self/mountinfo": overlay}, nil, Container},
		{"a host", map[string]string{"proc/self/mountinfo": "1 2 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"}, nil, Host},
	} {
		got := placeOf(tree(t, tt.files), func(k string) string { return tt.env[k] })
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestReadProcess(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/status":    "Name:\tx\nCapEff:\t00000000000000c0\nCapBnd:\t00000000800000c0\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		"proc/self/mountinfo": "1 2 0:5 / /proc rw - proc proc rw\n2 1 0:6 /null /proc/kcore rw - tmpfs tmpfs rw\n",
		"etc/passwd":          "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n",
		"etc/subuid":          "a:100000:65536\nbroken\n",
		"etc/subgid":          "a:300000:65536\n",
	})
	none := func(string) string { return "" }
	p := ReadProcess(root, none, 1000, 1000)
	if !p.NoNewPrivs || !p.Filtered || !p.MaskedProc || !p.Named || p.Name != "me" || p.FreeIDs != 365536 {
		t.Errorf("got %+v", p)
	}
	if !p.Can(6, 7) || p.Can(31) || !p.May(6, 31) || p.May(21) {
		t.Errorf("capabilities: %x, %x", p.Effective, p.Bounding)
	}
	if got, want := p.String(), "host, uid 1000 (me), no_new_privs, a seccomp filter, parts of /proc masked"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if p := ReadProcess(root, none, 7, 7); p.Named {
		t.Error("an account that is not in /etc/passwd has a name")
	}
}

func TestMaskedProc(t *testing.T) {
	for line, want := range map[string]bool{
		"1 2 0:5 / /proc rw - proc proc rw\n":                                           false,
		"3 1 0:5 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw\n":          false,
		"3 1 0:5 /sys /proc/sys ro - proc proc rw\n":                                    true,
		"3 1 0:5 / /process rw - tmpfs tmpfs rw\n":                                      false,
		"1 2 0:5 / /proc rw - proc proc rw\n2 1 0:6 / /proc/acpi ro - tmpfs tmpfs ro\n": true,
	} {
		if got := maskedProc([]byte(line)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
