; guest: balloon
; format: multiboot
; teaches: memory that is given back: the host asks in the clock page, the guest inflates, pages are holes and come back zeroed
; expect-status: 0
; expect-serial: 1024 pages written\n
; expect-serial: given away: 512, what is there now reads FFFFFFFF\n
; expect-serial: given away twice: FFFFFFEA\n
; expect-serial: taken back: 512, what is there now reads 00000000\n
; qemu-skip: QEMU has no hypercalls of ours
;
; With "serve" on its command line it goes on: it sleeps until the host asks for memory, gives away as many of its pages as the clock page says (or takes
; them back), tells so, and ends when nothing is asked for any more.

        bits 32
%include "toyvmm.inc"
%include "hypercalls.inc"

PAGES           equ 1024
FIRST           equ 0x200000            ; 2 MiB to 6 MiB are what it can do without
VECTOR          equ 0x40
INFLATE         equ 0
DEFLATE         equ 1

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

start:  mov [information], ebx
        ENTER_FLAT
        SET_GATE VECTOR, on_memory, GATE_INT32
        mov ebx, clock
        HYPERCALL CLOCK_PAGE
        mov dword [clock + TOYVMM_CLOCK_PAGE.vector], VECTOR
        call write_pages
        PRINT_DEC PAGES
        PRINT " pages written", 10

        ; ---- half of them goes, and comes back
        mov eax, PAGES / 2
        mov edx, INFLATE
        call move_pages
        call must_succeed
        PRINT "given away: "
        PRINT_DEC dword [held]
        PRINT ", what is there now reads "
        PRINT_HEX dword [FIRST]
        PRINT 10
        mov dword [held], 0             ; it pretends not to know
        mov eax, 1
        mov edx, INFLATE
        call move_pages
        PRINT "given away twice: "
        PRINT_HEX eax
        PRINT 10
        mov dword [held], PAGES / 2
        mov eax, PAGES / 2
        mov edx, DEFLATE
        call move_pages
        call must_succeed
        PRINT "taken back: "
        PRINT_DEC PAGES / 2
        PRINT ", what is there now reads "
        PRINT_HEX dword [FIRST]
        PRINT 10

        mov ebx, [information]          ; Multiboot 3.3: flags, and with bit 2 the command line at 16
        test dword [ebx], 1 << 2
        jz succeed
        mov ebx, [ebx + 16]
.find:  cmp dword [ebx], "serv"
        je serve
        cmp byte [ebx], 0
        lea ebx, [ebx + 1]
        jne .find
succeed:
        xor ebx, ebx
        HYPERCALL EXIT

; ---- what the host asks for -----------------------------------------------------------------------
serve:  call write_pages
        PRINT "ready", 10
.next:  cli
        mov eax, [clock + TOYVMM_CLOCK_PAGE.balloon_target]
        cmp eax, PAGES
        jbe .can
        mov eax, PAGES
.can:   sub eax, [held]
        jnz .change
        sti
        hlt
        jmp .next
.change:
        sti
        mov edx, INFLATE
        jns .move
        neg eax
        mov edx, DEFLATE
.move:  call move_pages
        call must_succeed
        PRINT "the balloon holds "
        PRINT_DEC dword [held]
        PRINT " pages", 10
        cmp dword [held], 0
        jne .next
        jmp succeed

must_succeed:
        test eax, eax
        jz .yes
        PRINT "failed: "
        PRINT_HEX eax
        PRINT 10
        mov ebx, 1
        HYPERCALL EXIT
.yes:   ret

; move_pages: inflates (EDX = 0) by EAX pages from the first that is held on, or deflates by the last EAX of them. EAX = the answer.
move_pages:
        mov ecx, eax
        mov esi, [held]                 ; the first page's number in our memory, when there are more
        test edx, edx
        jz .list
        sub esi, ecx
.list:  push ecx
        push esi
        xor edi, edi
.fill:  lea eax, [esi + edi + FIRST / 4096]
        mov [numbers + edi * 4], eax
        inc edi
        cmp edi, ecx
        jb .fill
        mov ebx, numbers
        HYPERCALL BALLOON
        pop esi
        pop ecx
        test eax, eax
        jnz .done
        test edx, edx
        jnz .less
        add esi, ecx
.less:  mov [held], esi
.done:  ret

write_pages:
        mov eax, FIRST
        mov ecx, PAGES
.next:  mov [eax], eax
        add eax, 4096
        loop .next
        ret

on_memory:
        lock and dword [clock + TOYVMM_CLOCK_PAGE.pending], 0
        iretd

on_exception:
        PRINT "exception "
        PRINT_DEC dword [esp + FRAME.vector]
        mov ebx, 2
        HYPERCALL EXIT

        section .bss
        alignb 4096
clock:  resb 4096
numbers: resd PAGES
held:   resd 1
information: resd 1
