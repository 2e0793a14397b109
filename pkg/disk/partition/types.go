// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// typeName is a partition type in both kinds of table: a GUID of the UEFI and
// discoverable partitions specifications, and the MBR's byte, or 0.
type typeName struct {
	name string
	guid string
	code byte
}

func typeNames() []typeName {
	return []typeName{
		{"esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 0xEF},
		{"bios", "21686148-6449-6E6F-744E-656564454649", 0},
		{"fat32", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", 0x0C},
		{"fat16", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", 0x0E},
		{"linux", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", 0x83},
		{"boot", "BC13C2FF-59E6-4262-A352-B275FD6F7172", 0xEA},
		{"root-x86-64", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", 0x83},
		{"root-x86", "44479540-F297-41B2-9AF7-D131D5F0458A", 0x83},
		{"root-arm64", "B921B045-1DF0-41C3-AF44-4C6F280D3FAE", 0x83},
		{"root-arm", "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3", 0x83},
		{"root-riscv64", "72EC70A6-CF74-40E6-BD49-4BDA08E8F224", 0x83},
		{"root-x86-64-verity", "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5", 0x83},
		{"root-x86-verity", "D13C5D3B-B5D1-422A-B29F-9454FDC89D76", 0x83},
		{"root-arm64-verity", "DF3300CE-D69F-4C92-978C-9BFB0F38D820", 0x83},
		{"root-arm-verity", "7386CDF2-203C-47A9-A498-F2ECCE45A2D6", 0x83},
		{"root-riscv64-verity", "B6ED5582-440B-4209-B8DA-5FF7C419EA3D", 0x83},
		{"home", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915", 0x83},
		{"srv", "3B8F8425-20E0-4F3B-907F-1A25A76F98E8", 0x83},
		{"var", "4D21B016-B534-45C2-A9FB-5C16E091FD2D", 0x83},
		{"swap", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", 0x82},
		{"lvm", "E6D6D379-F507-44C2-A23C-238F2A3DF928", 0x8E},
		{"raid", "A19D880F-05FC-4D3B-A006-743F0F84911E", 0xFD},
		{"luks", "CA7D7CCB-63ED-4C53-861C-1742536059CC", 0x83},
	}
}

// TypeNames are the names that TypeGUID accepts, in no particular order.
func TypeNames() []string {
	var names []string
	for _, t := range typeNames() {
		names = append(names, t.name)
	}
	return names
}

// TypeName is the name of a type as in a Part, or "".
func TypeName(typ string) string {
	for _, t := range typeNames() {
		if strings.EqualFold(t.guid, typ) || t.code != 0 && fmt.Sprintf("%02X", t.code) == typ {
			return t.name
		}
	}
	switch typ {
	case "01":
		return "fat12"
	case "04", "06", "0E":
		return "fat16"
	case "0B":
		return "fat32"
	case "07":
		return "ntfs"
	case "EE":
		return "gpt"
	}
	return ""
}

// TypeGUID is the GPT type for a name or GUID, in upper case.
func TypeGUID(s string) (string, error) {
	for _, t := range typeNames() {
		if strings.EqualFold(t.name, s) {
			return t.guid, nil
		}
	}
	if g := strings.ToUpper(s); isGUID(g) && strings.Trim(g, "0-") != "" {
		return g, nil
	}
	return "", fmt.Errorf("partition type %q is neither a GUID nor one of %s", s, strings.Join(TypeNames(), ", "))
}

// TypeByte is the MBR type for a name, a GPT GUID with a counterpart, or one or two
// hexadecimal digits.
func TypeByte(s string) (byte, error) {
	for _, t := range typeNames() {
		if strings.EqualFold(t.name, s) || strings.EqualFold(t.guid, s) {
			if t.code == 0 {
				return 0, fmt.Errorf("partition type %q does not exist in an MBR table", s)
			}
			return t.code, nil
		}
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("partition type %q is neither a byte in hexadecimal nor one of %s", s, strings.Join(TypeNames(), ", "))
	}
	return byte(n), nil
}

// isGUID reports whether s has the form 8-4-4-4-12 in hexadecimal digits.
func isGUID(s string) bool {
	parts := strings.Split(s, "-")
	lengths := []int{8, 4, 4, 4, 12}
	return len(parts) == len(lengths) && !slices.ContainsFunc(parts, func(p string) bool {
		return strings.Trim(p, "0123456789abcdefABCDEF") != ""
	}) && slices.Equal(lengths, []int{len(parts[0]), len(parts[1]), len(parts[2]), len(parts[3]), len(parts[4])})
}

// attribute is a bit of a GPT entry's attributes: the UEFI specification's
// table 5-8, and bits 59 to 63 of the discoverable partitions specification.
type attribute struct {
	name string
	bit  uint
}

func attributes() []attribute {
	return []attribute{
		{"required", 0}, {"no-block-io", 1}, {"legacy-boot", 2}, {"grow", 59}, {"read-only", 60}, {"no-auto", 63},
	}
}

// AttributeNames are the names that AttributeBits accepts.
func AttributeNames() []string {
	var names []string
	for _, a := range attributes() {
		names = append(names, a.name)
	}
	return names
}

// AttributeBits are the attributes of a GPT entry for their names: required,
// no-block-io and legacy-boot of the UEFI specification; grow, read-only and
// no-auto of the discoverable partitions specification.
func AttributeBits(names []string) (uint64, error) {
	var bits uint64
	for _, n := range names {
		i := slices.IndexFunc(attributes(), func(a attribute) bool { return a.name == n })
		if i < 0 {
			return 0, fmt.Errorf("partition attribute %q is none of %s", n, strings.Join(AttributeNames(), ", "))
		}
		bits |= 1 << attributes()[i].bit
	}
	return bits, nil
}
