; guest: pae-limits
; format: multiboot
; teaches: what PAE forbids: reserved bits in entries and in pointers; that the four pointers are registers, and global pages
; qemu-skip: QEMU (TCG) reads the pointers at every walk and checks none at MOV CR3, leaves bit 0 out of the error code of a reserved bit, and flushes global pages
; expect-status: 0
; expect-serial: an address bit too many: #PF (14) error 00000009 EIP +0 CR2 40001000\n
; expect-serial: bit 62 of a directory entry: #PF (14) error 00000009 EIP +0 CR2 40200000\n
; expect-serial: a 2 MiB page, bit 13: #PF (14) error 0000000B EIP +0 CR2 40400000\n
; expect-serial: a 2 MiB page, bit 20: #PF (14) error 00000009 EIP +0 CR2 40400000\n
; expect-serial: XD with NXE clear: #PF (14) error 00000009 EIP +0 CR2 40001000\n
; expect-serial: a fetch of it: #PF (14) error 00000009 EIP +40001000 CR2 40001000\n
; expect-serial: XD in the directory: #PF (14) error 00000009 EIP +0 CR2 40200000\n
; expect-serial: reserved bits of an entry without P: #PF (14) error 00000000 EIP +0 CR2 40001000\n
; expect-serial: XD with NXE set: nothing happened\n
; expect-serial: EFER, a reserved bit: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 1: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 2: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 3: nothing happened\n
; expect-serial: pointer bit 4: nothing happened\n
; expect-serial: pointer bit 5: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 8: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 9: nothing happened\n
; expect-serial: pointer bit 51: #GP (13) error 00000000 EIP +0\n
; expect-serial: pointer bit 63: #GP (13) error 00000000 EIP +0\n
; expect-serial: a reserved bit without P: nothing happened\n
; expect-serial: another table with a bad pointer: #GP (13) error 00000000 EIP +0\n
; expect-serial: CR3 is what it was: ok\n
; expect-serial: CR4.PGE with a bad pointer: #GP (13) error 00000000 EIP +0\n
; expect-serial: CR4 is what it was: ok\n
; expect-serial: a pointer taken out of memory: nothing happened\n
; expect-serial: and a page never touched before: nothing happened\n
; expect-serial: MOV CR3 loads them: #PF (14) error 00000000 EIP +0 CR2 40004000\n
; expect-serial: CR4.PSE changes, which loads them too: nothing happened\n
; expect-serial: global pages: 11111111 stays after MOV CR3; after CR4.PGE: 22222222\n
; expect-serial: CR0.PG with a bad pointer: #GP (13) error 00000000 EIP +0\n
; expect-serial: paging is off\n
;
; Most of this is invisible to a correct kernel, and a kernel under development finds it out the hard way: a pointer with R/W
; set is a #GP at MOV CR3, an edited pointer does nothing until CR3 is loaded (SDM 3A 4.4.1), and a bit beyond the physical
; address width is a page fault of its own kind (4.4.2). Compare paging-pae for the same tables used as they should be.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"
%include "experiment.inc"

WINDOW          equ 0x40000000
SECOND          equ 0x40200000          ; the window's second directory entry: a table
LARGE           equ 0x40400000          ; and the third: a 2 MiB page
CR4_PAE         equ 1 << 5
CR4_PGE         equ 1 << 7
MSR_EFER        equ 0xC0000080
EFER_NXE        equ 1 << 11
P               equ 1 << 0
RW              equ 1 << 1
PS              equ 1 << 7
G               equ 1 << 8
XD              equ 1 << 31             ; of an entry's upper half: bit 63

; ENTRY address, low, high: writes a 64-bit entry, the half with P last.
%macro ENTRY 3
        mov dword [%1], 0
        mov dword [%1 + 4], %3
        mov dword [%1], %2
%endmacro

; POINTER_BIT n, "text": the second pointer with bit n inverted, and MOV CR3.
%macro POINTER_BIT 2
        TRAP %2
        btc dword [pointers + 8 + 4 * ((%1) / 32)], (%1) % 32
        mov eax, pointers
        BEGIN
        mov cr3, eax
        END_TRAP
        btc dword [pointers + 8 + 4 * ((%1) / 32)], (%1) % 32
%endmacro

start:  ENTER_FLAT
        ENTRY directory_low, 0x000000 + (P | RW | PS), 0
        ENTRY directory_low + 8, 0x200000 + (P | RW | PS), 0
        ENTRY directory_window, table_window + (P | RW), 0
        ENTRY directory_window + 8, table_window + (P | RW), 0
        ENTRY pointers, directory_low + P, 0
        ENTRY pointers + 8, directory_window + P, 0
        mov eax, cr4
        or eax, CR4_PAE
        mov cr4, eax
        mov eax, pointers
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        jmp .paged
.paged:

        ; ---- 1. entries
        TRAP "an address bit too many"
        ENTRY table_window + 8, frame_a + (P | RW), 1 << (51 - 32)
        BEGIN
        mov eax, [WINDOW + 0x1000]
        END_TRAP

        TRAP "bit 62 of a directory entry"
        ENTRY directory_window + 8, table_window + (P | RW), 1 << (62 - 32)
        BEGIN
        mov eax, [SECOND]
        END_TRAP

        TRAP "a 2 MiB page, bit 13"
        ENTRY directory_window + 16, (1 << 13) + (P | RW | PS), 0
        BEGIN
        mov [LARGE], eax
        END_TRAP

        TRAP "a 2 MiB page, bit 20"
        ENTRY directory_window + 16, (1 << 20) + (P | RW | PS), 0
        BEGIN
        mov eax, [LARGE]
        END_TRAP

        TRAP "XD with NXE clear"
        ENTRY table_window + 8, frame_a + (P | RW), XD
        BEGIN
        mov eax, [WINDOW + 0x1000]
        END_TRAP

        TRAP "a fetch of it"                    ; no bit 4: without NXE a fetch looks like a read (SDM 3A 4.7)
        mov eax, WINDOW + 0x1000
        BEGIN
        jmp eax
        END_TRAP

        TRAP "XD in the directory"
        ENTRY directory_window + 8, table_window + (P | RW), XD
        BEGIN
        mov eax, [SECOND]
        END_TRAP

        TRAP "reserved bits of an entry without P"
        ENTRY table_window + 8, frame_a + RW, XD | (1 << (51 - 32))
        BEGIN
        mov eax, [WINDOW + 0x1000]
        END_TRAP

        mov ecx, MSR_EFER
        rdmsr
        or eax, EFER_NXE
        wrmsr
        TRAP "XD with NXE set"
        ENTRY table_window + 8, frame_a + (P | RW), XD
        BEGIN
        mov eax, [WINDOW + 0x1000]
        END_TRAP

        TRAP "EFER, a reserved bit"
        mov ecx, MSR_EFER
        rdmsr
        or eax, 1 << 1
        BEGIN
        wrmsr
        END_TRAP

        ; ---- 2. pointers (SDM 3A table 4-8)
        POINTER_BIT 1, "pointer bit 1"
        POINTER_BIT 2, "pointer bit 2"
        POINTER_BIT 3, "pointer bit 3"
        POINTER_BIT 4, "pointer bit 4"
        POINTER_BIT 5, "pointer bit 5"
        POINTER_BIT 8, "pointer bit 8"
        POINTER_BIT 9, "pointer bit 9"
        POINTER_BIT 51, "pointer bit 51"
        POINTER_BIT 63, "pointer bit 63"
        TRAP "a reserved bit without P"
        ENTRY pointers + 16, RW, 0
        mov eax, pointers
        BEGIN
        mov cr3, eax
        END_TRAP

        ENTRY other_pointers, directory_low + P, 0
        ENTRY other_pointers + 8, directory_window + P + RW, 0
        TRAP "another table with a bad pointer"
        mov eax, other_pointers
        BEGIN
        mov cr3, eax
        END_TRAP
        mov eax, cr3
        cmp eax, pointers
        CHECK e, "CR3 is what it was"

        ENTRY pointers + 8, directory_window + P + RW, 0
        TRAP "CR4.PGE with a bad pointer"
        mov eax, cr4
        or eax, CR4_PGE
        BEGIN
        mov cr4, eax
        END_TRAP
        mov eax, cr4
        and eax, CR4_PAE | CR4_PGE
        cmp eax, CR4_PAE
        CHECK e, "CR4 is what it was"
        ENTRY pointers + 8, directory_window + P, 0

        ; ---- 3. they are registers
        ENTRY table_window + 2 * 8, frame_a + (P | RW), 0
        ENTRY table_window + 3 * 8, frame_a + (P | RW), 0
        ENTRY table_window + 4 * 8, frame_a + (P | RW), 0
        mov eax, [WINDOW + 0x2000]
        TRAP "a pointer taken out of memory"
        mov dword [pointers + 8], 0
        BEGIN
        mov eax, [WINDOW + 0x2000]
        END_TRAP
        TRAP "and a page never touched before"
        BEGIN
        mov eax, [WINDOW + 0x3000]
        END_TRAP
        TRAP "MOV CR3 loads them"
        mov eax, cr3
        mov cr3, eax
        BEGIN
        mov eax, [WINDOW + 0x4000]
        END_TRAP
        TRAP "CR4.PSE changes, which loads them too"
        ENTRY pointers + 8, directory_window + P, 0
        mov eax, cr4
        xor eax, CR4_PSE
        mov cr4, eax
        BEGIN
        mov eax, [WINDOW + 0x4000]
        END_TRAP

        ; ---- 4. global pages outlive MOV CR3
        mov dword [frame_a], 0x11111111
        mov dword [frame_b], 0x22222222
        mov eax, cr4
        or eax, CR4_PGE
        mov cr4, eax
        ENTRY table_window + 5 * 8, frame_a + (P | RW | G), 0
        mov eax, [WINDOW + 0x5000]
        ENTRY table_window + 5 * 8, frame_b + (P | RW | G), 0
        mov eax, cr3
        mov cr3, eax
        PRINT "global pages: "
        PRINT_HEX dword [WINDOW + 0x5000]
        PRINT " stays after MOV CR3; after CR4.PGE: "
        mov eax, cr4
        and eax, ~CR4_PGE
        mov cr4, eax
        PRINT_HEX dword [WINDOW + 0x5000]
        PRINT 10

        ; ---- 5. off, and not on again
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        jmp .flat
.flat:  TRAP "CR0.PG with a bad pointer"
        or dword [pointers + 8], RW
        mov eax, cr0
        or eax, CR0_PG
        BEGIN
        mov cr0, eax
        END_TRAP
        mov eax, cr0
        test eax, CR0_PG
        jnz fail
        PRINT "paging is off", 10
        jmp power_off

        section .bss
        alignb 4096
directory_low:  resb 4096
directory_window: resb 4096
table_window:   resb 4096
frame_a:        resb 4096
frame_b:        resb 4096
        alignb 32
pointers:       resb 32
other_pointers: resb 32
