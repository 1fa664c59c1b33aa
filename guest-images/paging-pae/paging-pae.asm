; guest: paging-pae
; format: multiboot
; teaches: PAE: four pointers, 64-bit entries, 2 MiB pages, 36 address bits, and the bit that forbids to execute
; qemu-cpu: qemu32,+pae,+pse36,+nx
; expect-status: 0
; expect-serial: the CPU has PAE and NX\n
; expect-serial: PAE is on, and the code still runs\n
; expect-serial: unmapped: #PF error 00000002 CR2 40000010; stopped\n
; expect-serial: no pointer: #PF error 00000000 CR2 C0000000; stopped\n
; expect-serial: a fresh entry: P RW \n
; expect-serial: after a read:  P RW A \n
; expect-serial: after a write: P RW A D \n
; expect-serial: the directory entry above it: P RW A \n
; expect-serial: WP = 1: #PF error 00000003 CR2 40001000; stopped\n
; expect-serial: read-only in the directory: #PF error 00000003 CR2 40000020; stopped\n
; expect-serial: 2 MiB page: 5A5A5A5A, its entry: P RW A PS \n
; expect-serial: written through it: 600D600D, its entry: P RW A D PS \n
; expect-serial: across the edge of a 2 MiB page and a 4 KiB page: 22110000 and 00004433\n
; expect-serial: a frame above 4 GiB is not the one below\n
; expect-serial: data of a page with XD: 00001DB8\n
; expect-serial: its code: #PF error 00000011 CR2 40003000; stopped\n
; expect-serial: without XD, 100 times: 0000001D\n
; expect-serial: XD again: #PF error 00000011 CR2 40003000; stopped\n
; expect-serial: XD in the directory: #PF error 00000011 CR2 40003000; stopped\n
; expect-serial: XD in a 2 MiB page: #PF error 00000011 CR2 40200000; stopped\n
; expect-serial: fetched from nowhere: #PF error 00000010 CR2 40007000; stopped\n
; expect-serial: the second half of an instruction: #PF error 00000011 CR2 40005000; stopped\n
; expect-serial: code on the stack: #PF error 00000011 CR2 40006FF0; stopped\n
; expect-serial: the stack itself works: 00C3D4D4\n
; expect-serial: paging is off\n
;
; CR3 -> four pointers (bits 31-30) -> directory entry (29-21) -> table entry (20-12) -> frame, and all entries have 64 bits
; (SDM 3A 4.4). The first 4 MiB are mapped one to one by two 2 MiB pages; the experiments happen in a window at 0x40000000, the
; second pointer's share. Bit 63 of an entry, XD, means something only once the kernel has set NXE in an MSR, EFER.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

WINDOW          equ 0x40000000
LARGE           equ 0x40200000          ; the next directory entry: a 2 MiB page that shows the first 2 MiB again
CR4_PAE         equ 1 << 5
MSR_EFER        equ 0xC0000080
EFER_NXE        equ 1 << 11
P               equ 1 << 0              ; present
RW              equ 1 << 1              ; writable
US              equ 1 << 2              ; user
A_BIT           equ 1 << 5              ; accessed: set by the CPU on any use
D_BIT           equ 1 << 6              ; dirty: set by the CPU on a write
PS              equ 1 << 7              ; directory entry maps 2 MiB
XD              equ 1 << 31             ; of an entry's upper half: bit 63

; SHOW_ENTRY "text", address: prints an entry's flag bits, without the frame.
%macro SHOW_ENTRY 2
        PRINT %1
        mov eax, [%2]
        call show_flags
%endmacro

; ENTRY address, low, high: writes a 64-bit entry, the half with P last (SDM 3A 4.10.4.2: never show a half-written one).
%macro ENTRY 3
        mov dword [%1], 0
        mov dword [%1 + 4], %3
        mov dword [%1], %2
%endmacro

; FORBIDDEN "text", then an instruction that must fault, then ALLOWED.
%macro FORBIDDEN 1
        %push forbidden
        PRINT %1, ": "
        mov dword [skip_to], %$end
%endmacro
%macro ALLOWED 0
        PRINT "not stopped", 10
%$end:
        %pop
%endmacro

start:  ENTER_FLAT

        ; ---- 1. is it there? (CPUID 1 EDX bit 6, 80000001 EDX bit 20)
        mov eax, 1
        cpuid
        test edx, 1 << 6
        jz fail
        mov eax, 0x80000001
        cpuid
        test edx, 1 << 20
        jz fail
        PRINT "the CPU has PAE and NX", 10

        ; ---- 2. turn it on: CR4.PAE first, then CR3, then paging, which loads the pointers
        ENTRY directory_low, 0x000000 + (P | RW | PS), 0
        ENTRY directory_low + 8, 0x200000 + (P | RW | PS), 0
        ENTRY directory_window, table_window + (P | RW), 0
        ENTRY pointers, directory_low + P, 0    ; a pointer has no R/W and no U/S: bits 1 and 2 are reserved (table 4-8)
        ENTRY pointers + 8, directory_window + P, 0
        mov eax, cr4
        or eax, CR4_PAE
        mov cr4, eax
        mov eax, pointers
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG | CR0_WP
        mov cr0, eax
        jmp .paged
.paged: PRINT "PAE is on, and the code still runs", 10

        FORBIDDEN "unmapped"
        mov dword [WINDOW + 0x10], 1
        ALLOWED
        FORBIDDEN "no pointer"
        mov eax, [0xC0000000]
        ALLOWED

        ; ---- 3. accessed and dirty; rights
        ENTRY table_window + 0 * 8, frame_a + (P | RW), 0
        SHOW_ENTRY "a fresh entry: ", table_window
        mov eax, [WINDOW]
        SHOW_ENTRY "after a read:  ", table_window
        mov [WINDOW], eax
        SHOW_ENTRY "after a write: ", table_window
        SHOW_ENTRY "the directory entry above it: ", directory_window

        ENTRY table_window + 1 * 8, frame_a + P, 0
        FORBIDDEN "WP = 1"
        mov dword [WINDOW + 0x1000], 2
        ALLOWED
        and dword [directory_window], ~RW
        mov eax, cr3
        mov cr3, eax
        FORBIDDEN "read-only in the directory"
        mov dword [WINDOW + 0x20], 3
        ALLOWED
        or dword [directory_window], RW
        mov eax, cr3
        mov cr3, eax

        ; ---- 4. a 2 MiB page: PS in the directory entry, whatever CR4.PSE says
        mov dword [frame_b + 4], 0x5A5A5A5A
        ENTRY directory_window + 8, P | RW | PS, 0
        PRINT "2 MiB page: "
        mov eax, [LARGE + frame_b + 4]
        PRINT_HEX eax
        SHOW_ENTRY ", its entry: ", directory_window + 8
        mov dword [LARGE + frame_b + 4], 0x600D600D
        PRINT "written through it: "
        PRINT_HEX dword [frame_b + 4]
        SHOW_ENTRY ", its entry: ", directory_window + 8

        ; The last page of the window's table, and the first of the 2 MiB page behind it.
        ENTRY table_window + 511 * 8, frame_a + (P | RW), 0
        ENTRY directory_window + 8, 0x200000 + (P | RW | PS), 0
        invlpg [LARGE]
        mov dword [frame_a + 0xFFC], 0
        mov dword [0x200000], 0
        mov dword [LARGE - 2], 0x44332211
        PRINT "across the edge of a 2 MiB page and a 4 KiB page: "
        PRINT_HEX dword [frame_a + 0xFFC]
        PRINT " and "
        PRINT_HEX dword [0x200000]
        PRINT 10
        ENTRY directory_window + 8, P | RW | PS, 0
        invlpg [LARGE]

        ; ---- 5. 36 address bits. Nothing is up there, and it must not be the frame with the same lower 32 bits.
        mov dword [frame_b], 0x12345678
        ENTRY table_window + 2 * 8, frame_b + (P | RW), 1
        mov dword [WINDOW + 0x2000], 0xBADBADBA
        cmp dword [WINDOW + 0x2000], 0x12345678
        je fail
        cmp dword [frame_b], 0x12345678
        jne fail
        PRINT "a frame above 4 GiB is not the one below", 10

        ; ---- 6. XD, once EFER.NXE gives it a meaning (pae-limits shows what it is before)
        mov dword [frame_b], 0x00001DB8         ; mov eax, 1Dh ...
        mov dword [frame_b + 4], 0x0000C300     ; ... ret
        ENTRY table_window + 3 * 8, frame_b + (P | RW), XD
        mov ecx, MSR_EFER
        rdmsr
        or eax, EFER_NXE
        wrmsr
        PRINT "data of a page with XD: "
        PRINT_HEX dword [WINDOW + 0x3000]
        PRINT 10

        mov dword [on_fault], return_at_once
        PRINT "its code: "
        call call_window

        ; A right that is given takes effect at the next fetch at the latest; a right that is taken, at the flush.
        ENTRY table_window + 3 * 8, frame_b + (P | RW), 0
        PRINT "without XD, 100 times: "
        mov ebx, 100
.again: call call_window
        dec ebx
        jnz .again
        PRINT_HEX eax
        PRINT 10
        ENTRY table_window + 3 * 8, frame_b + (P | RW), XD
        invlpg [WINDOW + 0x3000]
        PRINT "XD again: "
        call call_window
        ENTRY table_window + 3 * 8, frame_b + (P | RW), 0
        ENTRY directory_window, table_window + (P | RW), XD
        mov eax, cr3
        mov cr3, eax
        PRINT "XD in the directory: "
        call call_window
        ENTRY directory_window, table_window + (P | RW), 0
        ENTRY directory_window + 8, P | RW | PS, XD
        mov eax, cr3
        mov cr3, eax
        PRINT "XD in a 2 MiB page: "
        mov eax, LARGE
        call eax
        PRINT "fetched from nowhere: "                  ; bit 4 says fetch, bit 0 that no page was there
        mov eax, WINDOW + 0x7000
        call eax

        ; An instruction whose last bytes lie in a page that must not run.
        ENTRY table_window + 4 * 8, frame_a + (P | RW), 0
        ENTRY table_window + 5 * 8, frame_b + (P | RW), XD
        mov byte [WINDOW + 0x4FFF], 0xB8
        mov dword [skip_to], .split
        mov dword [on_fault], skip_instruction
        PRINT "the second half of an instruction: "
        mov eax, WINDOW + 0x4FFF
        jmp eax
.split:

        ; ---- 7. what it is for: bytes on the stack are data
        ENTRY table_window + 6 * 8, frame_a + (P | RW), XD
        mov dword [on_fault], return_at_once
        mov [old_stack], esp
        mov esp, WINDOW + 0x6FF4
        push dword 0x00C3D4D4
        PRINT "code on the stack: "
        mov eax, esp
        call eax
        pop ebx
        mov esp, [old_stack]
        PRINT "the stack itself works: "
        PRINT_HEX ebx
        PRINT 10

        ; ---- 8. off again
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        jmp .flat
.flat:  mov eax, cr4
        and eax, ~CR4_PAE
        mov cr4, eax
        PRINT "paging is off", 10
        jmp power_off

call_window:
        mov eax, WINDOW + 0x3000
        jmp eax                         ; a RET there, or return_at_once, goes back to the caller

; show_flags: EAX = lower half of an entry. Prints the flags that are set, and a new line.
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
        PRINT_HEX dword [ebp + FRAME.error]     ; bit 0: protection; 1: write; 4: fetch (SDM 3A 4.7)
        PRINT " CR2 "
        mov eax, cr2
        PRINT_HEX eax
        PRINT "; stopped", 10
        call [on_fault]
        EXCEPTION_RETURN
.unexpected:
        PRINT "unexpected exception "
        PRINT_DEC dword [ebp + FRAME.vector]
        PRINT 10
        jmp fail

skip_instruction:
        mov eax, [skip_to]
        mov [ebp + FRAME.eip], eax
        ret

; The fault is at the first instruction of something called: its return address is on top of the stack.
return_at_once:
        mov dword [ebp + FRAME.eip], .ret
.ret:   ret

        section .data
        align 4
on_fault:       dd skip_instruction
skip_to:        dd 0
old_stack:      dd 0

        section .bss
        alignb 4096
directory_low:  resb 4096
directory_window: resb 4096
table_window:   resb 4096
frame_a:        resb 4096
frame_b:        resb 4096
        alignb 32
pointers:       resb 32
