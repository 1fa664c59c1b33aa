; guest: paging
; format: multiboot
; teaches: page tables from nothing: mapping, faults, protection with and without CR0.WP, A and D bits, 4 MiB pages, INVLPG
; expect-status: 0
; expect-serial: paging is on, and the code still runs\n
; expect-serial: write to an unmapped page: #PF error 00000002 CR2 40000010; retried; the value is 12345678, and in the frame 12345678\n
; expect-serial: the same frame through its alias: 12345678, written there and read here: CAFEBABE\n
; expect-serial: a fresh entry: P RW \n
; expect-serial: after a read:  P RW A \n
; expect-serial: after a write: P RW A D \n
; expect-serial: the directory entry above it: P RW A \n
; expect-serial: cleared, INVLPG, written: P RW A D \n
; expect-serial: WP = 0: ring 0 writes to a read-only page\n
; expect-serial: WP = 1: #PF error 00000003 CR2 40003000; stopped\n
; expect-serial: the frame still holds 1\n
; expect-serial: read-only in the directory: #PF error 00000003 CR2 40000020; stopped\n
; expect-serial: unmapped: #PF error 00000000 CR2 40001000; stopped\n
; expect-serial: remapped: AAAAAAAA became BBBBBBBB\n
; expect-serial: across an edge: 22110000 and 00004433\n
; expect-serial: across an edge, the second page missing: #PF error 00000002 CR2 40007000; stopped\n
; expect-serial: nothing was written to the first: 5A5A5A5A\n
; expect-serial: 4 MiB page: BBBBBBBB, its entry: P RW A PS \n
; expect-serial: written through it: 600D600D, its entry: P RW A D PS \n
; expect-serial: paging is off\n
;
; The first 4 MiB are mapped one to one, so that the code goes on running when paging comes on. Everything else happens
; in a window at 0x40000000: the experiments map frames there, use them, and print the page-table entry before and after.
; (SDM 3A 4.3: CR3 -> directory entry, bits 31-22 -> table entry, bits 21-12 -> frame.)

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

WINDOW          equ 0x40000000
LARGE           equ 0x40800000          ; two directory entries further: for the 4 MiB page
P               equ 1 << 0              ; present
RW              equ 1 << 1              ; writable
US              equ 1 << 2              ; user
A_BIT           equ 1 << 5              ; accessed: set by the CPU on any use
D_BIT           equ 1 << 6              ; dirty: set by the CPU on a write
PS              equ 1 << 7              ; directory entry maps 4 MiB (needs CR4.PSE)

; SHOW_ENTRY "text", address: prints a page-table entry's flag bits, without the frame.
%macro SHOW_ENTRY 2
        PRINT %1
        mov eax, [%2]
        call show_flags
%endmacro

start:  ENTER_FLAT

        ; ---- 1. turn it on
        mov edi, table_low
        mov eax, P | RW
.fill:  stosd
        add eax, 0x1000
        cmp edi, table_low + 4096
        jb .fill
        mov dword [directory], table_low + (P | RW)
        mov dword [directory + (WINDOW >> 22) * 4], table_window + (P | RW)
        mov eax, directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        jmp .paged                      ; the branch that the manual asks for (SDM 3A 9.9.1)
.paged: PRINT "paging is on, and the code still runs", 10

        ; ---- 2. a page that is not there, then mapped by the fault handler: demand paging
        PRINT "write to an unmapped page: "
        mov dword [on_fault], map_and_retry
        mov dword [WINDOW + 0x10], 0x12345678
        PRINT "retried; the value is "
        PRINT_HEX dword [WINDOW + 0x10]
        PRINT ", and in the frame "
        PRINT_HEX dword [frame_a + 0x10]
        PRINT 10

        ; ---- 3. two addresses, one frame
        mov dword [table_window + 1 * 4], frame_a + (P | RW)
        PRINT "the same frame through its alias: "
        PRINT_HEX dword [WINDOW + 0x1010]
        mov dword [WINDOW + 0x1010], 0xCAFEBABE
        PRINT ", written there and read here: "
        PRINT_HEX dword [WINDOW + 0x10]
        PRINT 10

        ; ---- 4. accessed and dirty
        mov dword [table_window + 2 * 4], frame_b + (P | RW)
        SHOW_ENTRY "a fresh entry: ", table_window + 2 * 4
        mov eax, [WINDOW + 0x2000]
        SHOW_ENTRY "after a read:  ", table_window + 2 * 4
        mov [WINDOW + 0x2000], eax
        SHOW_ENTRY "after a write: ", table_window + 2 * 4
        SHOW_ENTRY "the directory entry above it: ", directory + (WINDOW >> 22) * 4

        ; The dirty bit is set again only when the translation is looked up again: clearing it needs INVLPG.
        and dword [table_window + 2 * 4], ~(A_BIT | D_BIT)
        invlpg [WINDOW + 0x2000]
        mov [WINDOW + 0x2000], eax
        SHOW_ENTRY "cleared, INVLPG, written: ", table_window + 2 * 4

        ; ---- 5. read-only
        mov dword [table_window + 3 * 4], frame_b + P
        mov dword [WINDOW + 0x3000], 1  ; CR0.WP = 0: ring 0 may (SDM 3A 4.6.1)
        PRINT "WP = 0: ring 0 writes to a read-only page", 10
        mov eax, cr0
        or eax, CR0_WP
        mov cr0, eax
        PRINT "WP = 1: "
        mov dword [on_fault], skip_instruction
        mov dword [skip_to], .after_wp
        mov dword [WINDOW + 0x3000], 2
        PRINT "not stopped", 10
.after_wp:
        PRINT "the frame still holds "
        PRINT_DEC dword [frame_b]
        PRINT 10

        ; Rights are the AND of both levels: a read-only directory entry covers writable pages too.
        and dword [directory + (WINDOW >> 22) * 4], ~RW
        mov eax, cr3
        mov cr3, eax                    ; flushes every entry that is not global
        PRINT "read-only in the directory: "
        mov dword [skip_to], .after_directory
        mov dword [WINDOW + 0x20], 3
        PRINT "not stopped", 10
.after_directory:
        or dword [directory + (WINDOW >> 22) * 4], RW
        mov eax, cr3
        mov cr3, eax

        ; ---- 6. unmapping
        mov eax, [WINDOW + 0x1000]      ; now the TLB knows it
        mov dword [table_window + 1 * 4], 0
        invlpg [WINDOW + 0x1000]        ; without this the old translation may live on (SDM 3A 4.10.4)
        PRINT "unmapped: "
        mov dword [skip_to], .after_unmap
        mov eax, [WINDOW + 0x1000]
        PRINT "not stopped", 10
.after_unmap:

        ; A new frame at an address that was mapped before.
        mov dword [frame_b + 4], 0xBBBBBBBB
        mov dword [frame_a + 4], 0xAAAAAAAA
        mov dword [table_window + 4 * 4], frame_a + (P | RW)
        PRINT "remapped: "
        PRINT_HEX dword [WINDOW + 0x4004]
        mov dword [table_window + 4 * 4], frame_b + (P | RW)
        invlpg [WINDOW + 0x4004]        ; any address in the page will do
        PRINT " became "
        PRINT_HEX dword [WINDOW + 0x4004]
        PRINT 10

        ; ---- 7. an access across two pages whose frames are not neighbours
        mov dword [table_window + 5 * 4], frame_b + (P | RW)
        mov dword [table_window + 6 * 4], frame_a + (P | RW)
        mov dword [WINDOW + 0x5FFE], 0x44332211
        PRINT "across an edge: "
        PRINT_HEX dword [frame_b + 0xFFC]
        PRINT " and "
        PRINT_HEX dword [frame_a]
        PRINT 10
        mov dword [table_window + 7 * 4], 0
        mov dword [frame_a + 0xFFC], 0x5A5A5A5A
        PRINT "across an edge, the second page missing: "
        mov dword [skip_to], .after_edge
        mov dword [WINDOW + 0x6FFE], 0
        PRINT "not stopped", 10
.after_edge:
        PRINT "nothing was written to the first: "
        PRINT_HEX dword [frame_a + 0xFFC]
        PRINT 10

        ; ---- 8. a 4 MiB page: one directory entry, no table (SDM 3A 4.3, PSE)
        mov eax, cr4
        or eax, CR4_PSE
        mov cr4, eax
        mov dword [directory + (LARGE >> 22) * 4], P | RW | PS          ; maps physical 0
        PRINT "4 MiB page: "
        mov eax, [LARGE + frame_b + 4]
        PRINT_HEX eax
        SHOW_ENTRY ", its entry: ", directory + (LARGE >> 22) * 4
        mov dword [LARGE + frame_b + 4], 0x600D600D
        PRINT "written through it: "
        PRINT_HEX dword [frame_b + 4]
        SHOW_ENTRY ", its entry: ", directory + (LARGE >> 22) * 4

        ; ---- 9. off again
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        jmp .flat
.flat:  PRINT "paging is off", 10
        jmp power_off

; show_flags: EAX = entry. Prints the flags that are set, and a new line.
show_flags:
        %macro SHOW_FLAG 2
        test eax, %1
        jz %%no
        PRINT %2, " "
%%no:
        %endmacro
        SHOW_FLAG P, "P"
        SHOW_FLAG RW, "RW"
        SHOW_FLAG US, "US"
        SHOW_FLAG A_BIT, "A"
        SHOW_FLAG D_BIT, "D"
        SHOW_FLAG PS, "PS"
        PRINT 10
        ret

; ---- the page-fault handler ------------------------------------------------------------------------------------------
on_exception:
        mov ebp, esp
        cmp dword [ebp + FRAME.vector], 14
        jne .unexpected
        PRINT "#PF error "
        PRINT_HEX dword [ebp + FRAME.error]     ; bit 0: protection; bit 1: write; bit 2: user (SDM 3A 4.7)
        PRINT " CR2 "
        mov eax, cr2
        PRINT_HEX eax
        PRINT "; "
        call [on_fault]
        EXCEPTION_RETURN
.unexpected:
        PRINT "unexpected exception "
        PRINT_DEC dword [ebp + FRAME.vector]
        PRINT 10
        jmp fail

; What every operating system does: find a frame, map it, let the instruction run again. A translation that was "not
; present" is never cached, so no INVLPG is needed here (SDM 3A 4.10.4.3).
map_and_retry:
        mov ecx, cr2
        shr ecx, 12
        and ecx, 0x3FF
        mov dword [table_window + ecx * 4], frame_a + (P | RW)
        ret

skip_instruction:
        PRINT "stopped", 10
        mov eax, [skip_to]
        mov [ebp + FRAME.eip], eax
        ret

        section .data
        align 4
on_fault:       dd 0
skip_to:        dd 0

        section .bss
        alignb 4096
directory:      resb 4096
table_low:      resb 4096
table_window:   resb 4096
frame_a:        resb 4096
frame_b:        resb 4096
