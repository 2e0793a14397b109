// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ownersOfAll is a declaration whose steps give files owners in every way.
func ownersOfAll(t *testing.T) string {
	return `<redo><buildstage id="base"><bootstrap suite="bookworm" variant="minbase" packages="acl libcap2-bin" security-mirror="none"/></buildstage>
		<buildstage id="all"><prestage>base</prestage>
			<action>WORKDIR /srv</action>
			<action>RUN echo a >a; chown 33:44 a; chmod 4750 a; ln -s a c; chown -h 5:6 c; mkdir d; touch d/gone /gone; mknod p p; chown 7:8 p; mkdir e; chown 9:10 e; chmod 2775 e</action>
			<action>RUN cp /bin/true cap; chown 0:15 cap; setcap cap_net_raw+ep cap; touch acl; setfacl -m u:33:rw,g:100:r acl; mkdir dacl; setfacl -d -m u:7:rwx dacl; touch dacl/new</action>
			<action>RUN rm /gone; rm -r d; mkdir d; touch d/new; chown 1:2 d; echo x >e/x; chown 1000:1000 e/x; su www-data -s /bin/sh -c 'mkdir /tmp/w; ln -s x /tmp/w/l; id >/tmp/w/id'</action>
			<action>COPY --chown=21:22 data /data</action>
			<action>ADD data /more</action>
			<action>USER 33</action>
			<action>RUN touch /tmp/mine</action>
		</buildstage>
		<buildstage id="two"><prestage>base</prestage>
			<action>COPY --from=all /srv /got</action>
			<action>RUN [ "$(stat -c %u:%g /got/e /got/c)" = "$(printf '9:10\n5:6')" ]; getcap /got/cap | grep net_raw; touch /got/n; chown 4:4 /got; cp -a /got /again</action>
		</buildstage>
		<disk id="all" stage="all" size="512M"><partition fs="ext4" size="rest" path="/"/></disk>
		<disk id="two" stage="two" size="512M"><partition fs="ext4" size="rest" path="/"/></disk></redo>`
}

// An account without subordinate ids makes the same disks as one with them.
func TestSingleID(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser makes accounts")
	}
	number := os.Getpid() % 100000
	sums := map[string]string{}
	for i, name := range []string{fmt.Sprintf("cbids%d", number), fmt.Sprintf("cbsingle%d", number)} {
		makeAccount(t, name, 3200000)
		home := filepath.Join("/home", name)
		sandbox := "userns --snapshots=copy"
		if i == 1 {
			sandbox = "single-id"
			for _, kind := range []string{"subuids", "subgids"} {
				if out, err := exec.CommandContext(t.Context(), "usermod", "--del-"+kind, "1-4294967294", name).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
		}
		for file, content := range map[string]string{"work/data/x": "x", "work/a.xml": ownersOfAll(t)} {
			path := filepath.Join(home, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		script := fmt.Sprintf(`chown -R %[1]s %[2]s && install -m 755 %[3]s %[2]s/carosbuild && su - %[1]s -c '
			export SOURCE_DATE_EPOCH=%[4]s; cd work; set -e
			~/carosbuild --progress=plain --sandbox=%[5]s a.xml --out {disk}.raw >&2
			~/carosbuild --progress=plain --sandbox=%[5]s a.xml --disk all --out again.raw >&2
			cat all.raw | sha256sum; cat two.raw | sha256sum; cat again.raw | sha256sum'`, name, home, program(t), epoch, sandbox)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, errs.String())
		}
		sums[sandbox] = string(out)
		lines := strings.Fields(string(out))
		if len(lines) != 6 || lines[0] != lines[4] {
			t.Errorf("%s: a disk of what is stored is another one: %q", sandbox, out)
		}
	}
	if a, b := sums["userns --snapshots=copy"], sums["single-id"]; a != b {
		t.Errorf("with subordinate ids:\n%swith one id:\n%s", a, b)
	}
}
