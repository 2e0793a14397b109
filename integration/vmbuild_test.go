// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"strings"
	"testing"
)

// machineDeclaration has what only a superuser can do, in one command.
const machineDeclaration = `<redo>
<buildstage id="base"><action>FROM scratch</action><action>ADD busybox /bin/</action><action>ADD motd /etc/</action></buildstage>
<buildstage id="app"><prestage>base</prestage>
<action>RUN ["/bin/busybox", "sh", "-c", "b=/bin/busybox; $b chown 33:44 /etc/motd; $b mkdir -p /var/s; $b touch /var/s/f; $b chmod 0 /var/s/f; $b chown 7:8 /var/s/f; $b chmod 2750 /var/s; $b mknod /pipe p; $b ln /etc/motd /etc/two; $b cp /bin/busybox /bin/su; $b chmod 4755 /bin/su; $b ln -s nowhere /link"]</action>
<action>COPY motd /opt/motd</action></buildstage>
<buildstage id="copy"><action>FROM scratch</action><action>COPY --from=app / /</action></buildstage>
<disk id="d" stage="copy"><partition name="root" fs="ext4" path="/" size="64M"/></disk>
</redo>`

// A virtual machine makes the disk that a user namespace makes, bit by bit, in the build and
// of stages that are stored.
func TestMachineSandbox(t *testing.T) {
	tool(t, "qemu-system-x86_64")
	w := newWorld(t)
	w.file(t, "m.xml", machineDeclaration)
	w.file(t, "motd", "hello\n")
	w.ok(t, "cp", tool(t, "busybox"), "busybox")
	w.setenv("SOURCE_DATE_EPOCH=1000000000")
	var disks [][]byte
	for _, sandbox := range []string{"userns", "vm"} {
		w.build(t, "m.xml", "--sandbox", sandbox, "-B", sandbox, "--out", sandbox+".raw")
		w.ok(t, program(t), "disk", sandbox+":copy", "--declaration", "m.xml", "--sandbox", sandbox, "--out", sandbox+"-stored.raw")
		disks = append(disks, w.read(t, sandbox+".raw"), w.read(t, sandbox+"-stored.raw"))
	}
	for i, name := range []string{"the stored stages in userns", "vm", "the stored stages in vm"} {
		if !bytes.Equal(disks[0], disks[i+1]) {
			t.Errorf("the disk of %s is another one", name)
		}
	}
	if r := w.ok(t, program(t), "--sandbox", "vm", "doctor"); !strings.Contains(r.stdout, "\nok       runtime ") { // the kernel is there now
		t.Errorf("doctor runs no step:\n%s", r.stdout)
	}
}
