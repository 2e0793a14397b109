// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// VM is the virtual machine that an appliance describes. The zero value has 2 cores
// and 8 GiB without network, and boots the disk.
type VM struct {
	Name        string // name in the inventory; "" means Product, else Options.Name
	Product     string
	ProductURL  string
	Vendor      string
	VendorURL   string
	Version     string
	FullVersion string

	Cores      int        // 0 means 2
	Memory     int64      // bytes, a multiple of 4 MiB; 0 means 8 GiB
	NICs       int        // of type VMXNET3
	Networks   []string   // networks of the NICs, in order, the last one for all that follow; nil means VM Network
	Controller Controller // controller of all disks; "" means PVSCSI
	Hardware   string     // such as vmx-13, or several, the oldest first; "" means vmx-13, which ESXi 6.5 has
	Guest      string     // VMware's name for the operating system; "" means debian10_64Guest, the newest Debian in vmx-13
	Firmware   string     // bios or efi; "" means bios
	DataDisks  []int64    // sizes in bytes of additional, empty disks; multiples of 1 MiB

	EULA       string // to be accepted when it is deployed; "" for none
	Annotation string // notes of the machine

	CDROM    *Disc   // disc in the drive; nil for no drive
	Empty    bool    // the first disk is blank
	Manifest string  // sha256 or sha1; "" means sha256
	Profile  Profile // "" means the form of this package
}

// Disc is an ISO 9660 image, a file of the archive.
type Disc struct {
	Name    string // name of the file; as in Options.Name, some characters become underscores
	Size    int64  // bytes
	Content io.ReaderAt
}

// Profile is a form of the descriptor.
type Profile string

// Classic is the form of meta-vmware's appliances, with their machine where VM sets
// nothing else: see classic.go.
const Classic Profile = "classic"

// Controller is the controller that the disks are attached to.
type Controller string

// The controllers.
const (
	PVSCSI   Controller = "pvscsi"
	LSILogic Controller = "lsilogic"
	LSISAS   Controller = "lsisas"
	AHCI     Controller = "ahci"
	NVMe     Controller = "nvme" // needs vmx-13
)

// Limits of VMware's products.
const (
	maxNICs     = 10
	maxDisks    = 15 // on one NVMe or SCSI controller
	maxCores    = 768
	maxMemory   = 24 << 40
	memoryUnit  = 4 << 20
	maxCapacity = 62 << 40
	maxDisc     = 1 << 40
	mebibyte    = 1 << 20
	maxText     = 256 << 10 // of EULA or annotation
	maxLine     = 255
	maxName     = 80 // of machines and networks
	nvmeVersion = "vmx-13"
)

var (
	hardwareList = lazyregexp.New(`^vmx-[0-9]{2}( vmx-[0-9]{2})*$`)
	guestName    = lazyregexp.New(`^[a-z][A-Za-z0-9_]{1,60}Guest(64)?$`)
)

// complete fills in the defaults.
func (vm VM) complete(name string) VM {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	if vm.Profile == Classic {
		vm = vm.classic()
	}
	set(&vm.Name, vm.Product)
	set(&vm.Name, name)
	set((*string)(&vm.Controller), string(PVSCSI))
	set(&vm.Hardware, "vmx-13")
	set(&vm.Guest, "debian10_64Guest")
	set(&vm.Firmware, "bios")
	if vm.Cores == 0 {
		vm.Cores = 2
	}
	if vm.Memory == 0 {
		vm.Memory = 8 << 30
	}
	if len(vm.Networks) == 0 {
		vm.Networks = []string{"VM Network"}
	}
	return vm
}

// Check reports all mistakes in the machine, so that they are known before there is
// a disk.
func (vm VM) Check() error {
	vm = vm.complete("")
	return errors.Join(vm.checkTexts(), vm.checkHardware(), vm.checkDisks(), vm.checkForm())
}

func (vm VM) checkTexts() error {
	var errs []error
	for _, f := range []struct{ what, text string }{
		{"product", vm.Product},
		{"product URL", vm.ProductURL},
		{"vendor", vm.Vendor},
		{"vendor URL", vm.VendorURL},
		{"version", vm.Version},
		{"full version", vm.FullVersion},
	} {
		if len(f.text) > maxLine || !isText(f.text, "") {
			errs = append(errs, fmt.Errorf("%s %q: not a line of at most %d bytes of UTF-8", f.what, f.text, maxLine))
		} else if u, err := url.Parse(f.text); strings.HasSuffix(f.what, "URL") && f.text != "" && (err != nil || u.Scheme == "") {
			errs = append(errs, fmt.Errorf("%s %q: not one such as https://example.org/", f.what, f.text))
		}
	}
	for i, name := range append([]string{vm.Name}, vm.Networks...) {
		if name == "" && i > 0 || utf8.RuneCountInString(name) > maxName || !isText(name, "") {
			errs = append(errs, fmt.Errorf("name %q of machine or network: not a line of at most %d characters", name, maxName))
		}
	}
	for _, f := range []struct{ what, text string }{{"EULA", vm.EULA}, {"annotation", vm.Annotation}} {
		if len(f.text) > maxText || !isText(f.text, "\n\r\t") {
			errs = append(errs, fmt.Errorf("%s of %d bytes: not a text of at most %d bytes of UTF-8", f.what, len(f.text), maxText))
		}
	}
	return errors.Join(errs...)
}

// isText reports whether s can be in XML (its section 2.2) and has no control characters
// except for those in controls.
func isText(s, controls string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(controls, r) || r == 0xFFFE || r == 0xFFFF
	})
}

func (vm VM) checkHardware() error {
	var errs []error
	if vm.Cores < 1 || vm.Cores > maxCores {
		errs = append(errs, fmt.Errorf("%d cores: not 1 to %d", vm.Cores, maxCores))
	}
	if vm.Memory < memoryUnit || vm.Memory > maxMemory || vm.Memory%memoryUnit != 0 {
		errs = append(errs, fmt.Errorf("memory of %d bytes: not a multiple of 4 MiB, up to 24 TiB", vm.Memory))
	}
	if vm.NICs < 0 || vm.NICs > maxNICs {
		errs = append(errs, fmt.Errorf("%d network interfaces: not 0 to %d", vm.NICs, maxNICs))
	}
	if len(vm.Networks) > max(vm.NICs, 1) {
		errs = append(errs, fmt.Errorf("%d networks for %d network interfaces", len(vm.Networks), vm.NICs))
	}
	if vm.Controller.subType() == "" {
		errs = append(errs, fmt.Errorf("controller %q is none of pvscsi, lsilogic, lsisas, ahci, nvme", vm.Controller))
	}
	if !hardwareList().MatchString(vm.Hardware) {
		errs = append(errs, fmt.Errorf("hardware %q: not versions such as vmx-13, or several with a blank between them", vm.Hardware))
	} else if vm.Controller == NVMe && vm.Hardware < nvmeVersion {
		errs = append(errs, fmt.Errorf("hardware %s has no NVMe controller: %s has", vm.Hardware, nvmeVersion))
	}
	if !guestName().MatchString(vm.Guest) {
		errs = append(errs, fmt.Errorf("guest %q: not one of VMware's names, such as debian10_64Guest", vm.Guest))
	}
	if vm.Firmware != "bios" && vm.Firmware != "efi" {
		errs = append(errs, fmt.Errorf("firmware %q is neither bios nor efi", vm.Firmware))
	}
	return errors.Join(errs...)
}

func (vm VM) checkDisks() error {
	var errs []error
	if len(vm.DataDisks) >= maxDisks {
		errs = append(errs, fmt.Errorf("%d data disks: more than %d", len(vm.DataDisks), maxDisks-1))
	}
	for i, n := range vm.DataDisks {
		if n <= 0 || n > maxCapacity || n%mebibyte != 0 {
			errs = append(errs, fmt.Errorf("data disk %d of %d bytes: not a multiple of 1 MiB, up to 62 TiB", i+1, n))
		}
	}
	return errors.Join(errs...)
}

func (vm VM) checkForm() error {
	var errs []error
	if vm.Profile != "" && vm.Profile != Classic {
		errs = append(errs, fmt.Errorf("profile %q is not classic", vm.Profile))
	}
	if vm.algorithm() == "" {
		errs = append(errs, fmt.Errorf("manifest %q is neither sha256 nor sha1", vm.Manifest))
	}
	if d := vm.CDROM; d != nil && (d.Size < 1 || d.Size > maxDisc || d.Name == "") {
		errs = append(errs, fmt.Errorf("disc %q of %d bytes: no name, or not 1 byte to 1 TiB", d.Name, d.Size))
	}
	return errors.Join(errs...)
}

// algorithm is the name in the manifest, or "" for an unknown one.
func (vm VM) algorithm() string {
	switch vm.Manifest {
	case "", "sha256":
		return "SHA256"
	case "sha1":
		return "SHA1"
	}
	return ""
}

// subType is the controller's rasd:ResourceSubType, or "" for an unknown one.
func (c Controller) subType() string {
	switch c {
	case PVSCSI:
		return "VirtualSCSI"
	case LSILogic:
		return "lsilogic"
	case LSISAS:
		return "lsilogicsas"
	case AHCI:
		return "vmware.sata.ahci"
	case NVMe:
		return "vmware.nvme.controller"
	}
	return ""
}

func (c Controller) scsi() bool { return c == PVSCSI || c == LSILogic || c == LSISAS }

// unit is the address of the n-th disk. A SCSI controller itself has address 7.
func (c Controller) unit(n int) int {
	if c.scsi() && n >= 7 {
		return n + 1
	}
	return n
}
