; guest: ring
; format: multiboot
; teaches: two guests, one page: an offer and its acceptance, a ring buffer, bells instead of polling, and what a guest that is alone gets
; expect-status: 0
; expect-serial: guest 0 of the ring\n
; expect-serial: share: not permitted; event_send: not permitted: nobody else is there\n
; qemu-skip: QEMU has no hypercalls of ours
;
; Run twice on one host, with the two connected (docs/fleet.md), guest 0 sends 1,000 words through a ring of 64 and guest 1 receives them. The page
; is guest 0's; guest 1 has it in the place of one of its own. Nobody polls: who cannot go on sleeps, and is rung.

        bits 32
%include "toyvmm.inc"
%include "hypercalls.inc"

MESSAGES        equ 1000
SLOTS           equ 64
BELL            equ TOYVMM_FIRST_EVENT_PORT
VECTOR          equ 0x40
TAG             equ 1

; The page of both. head and tail only grow; the slot of word n is n mod SLOTS. One writer for each word.
struc RING
.head:          resd 1                  ; words that guest 0 has put in
.tail:          resd 1                  ; words that guest 1 has taken out
.done:          resd 1                  ; guest 1 has them all
.checksum:      resd 1                  ; of what it got
.slots:         resd SLOTS
endstruc

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

; WAIT_UNTIL condition, compare...: sleeps until it holds. Interrupts are off while it looks, and STI keeps them off until HLT sleeps: no bell is
; lost in between.
%macro WAIT_UNTIL 3
%%look: cli
        mov eax, [shared + RING.head]
        sub eax, [shared + RING.tail]   ; words in the ring
        cmp %2, %3
        j%1 %%go
        sti
        hlt
        jmp %%look
%%go:   sti
%endmacro

%macro RING_BELL 0
        mov ebx, [peer]
        mov ecx, BELL
        HYPERCALL EVENT_SEND
%endmacro

start:  ENTER_FLAT
        SET_GATE VECTOR, on_bell, GATE_INT32
        mov eax, TOYVMM_CPUID_GUEST
        cpuid
        mov [self], eax
        xor eax, 1
        mov [peer], eax
        PRINT "guest "
        PRINT_DEC dword [self]
        PRINT " of the ring", 10

        mov ebx, clock
        HYPERCALL CLOCK_PAGE
        mov dword [clock + TOYVMM_CLOCK_PAGE.vector], VECTOR
        test dword [self], 1
        jnz receiver

; ---- guest 0 ------------------------------------------------------------------------------------
sender: mov edx, TOYVMM_SHARE_WRITE
        call share
        cmp eax, -TOYVMM_EPERM
        je alone
        test eax, eax
        jnz failed
        xor edi, edi                    ; words sent
.next:  WAIT_UNTIL b, eax, SLOTS
        call word_of
        mov ecx, edi
        and ecx, SLOTS - 1
        mov [shared + RING.slots + ecx * 4], eax
        inc edi
        mov [shared + RING.head], edi
        mov ecx, edi                    ; the first of a full ring rings, and the last
        and ecx, SLOTS - 1
        jz .ring
        cmp edi, MESSAGES
        jne .more
.ring:  RING_BELL
.more:  cmp edi, MESSAGES
        jb .next
        WAIT_UNTIL e, dword [shared + RING.done], 1
        call checksum_of_all
        cmp eax, [shared + RING.checksum]
        jne failed
        PRINT "sent "
        PRINT_DEC MESSAGES
        PRINT " words; the other guest's checksum is theirs", 10
        jmp succeed

; ---- guest 1 ------------------------------------------------------------------------------------
receiver:
.accept:
        mov edx, TOYVMM_SHARE_ACCEPT
        call share
        test eax, eax
        jz .accepted
        cmp eax, -TOYVMM_EPERM
        je alone
        cmp eax, -TOYVMM_EAGAIN
        jne failed
        HYPERCALL YIELD                 ; not offered yet
        jmp .accept
.accepted:
        xor edi, edi                    ; words taken
        xor esi, esi                    ; their checksum
.next:  WAIT_UNTIL a, eax, 0
        mov ecx, edi
        and ecx, SLOTS - 1
        rol esi, 1
        add esi, [shared + RING.slots + ecx * 4]
        inc edi
        mov [shared + RING.tail], edi
        test edi, SLOTS / 2 - 1         ; there is room again
        jnz .more
        push esi
        RING_BELL
        pop esi
.more:  cmp edi, MESSAGES
        jb .next
        mov [shared + RING.checksum], esi
        mov dword [shared + RING.done], 1
        push esi
        RING_BELL
        PRINT "received "
        PRINT_DEC MESSAGES
        PRINT " words, checksum "
        pop esi
        PRINT_HEX esi
        PRINT 10
        jmp succeed

; ---- both ---------------------------------------------------------------------------------------
alone:  PRINT "share: not permitted; event_send: "
        RING_BELL
        cmp eax, -TOYVMM_EPERM
        jne failed
        PRINT "not permitted: nobody else is there", 10
succeed:
        xor ebx, ebx
        HYPERCALL EXIT

failed: PRINT "failed: "
        PRINT_HEX eax
        PRINT 10
        mov ebx, 1
        HYPERCALL EXIT

; share: offers or accepts the page, as EDX says. EAX = the answer.
share:  mov ebx, shared
        mov ecx, [peer]
        mov esi, TAG
        HYPERCALL SHARE
        ret

; word_of: EAX = word number EDI.
word_of:
        lea eax, [edi + 1]
        imul eax, eax, 0x9E3779B1
        ret

checksum_of_all:
        xor edi, edi
        xor edx, edx
.next:  call word_of
        rol edx, 1
        add edx, eax
        inc edi
        cmp edi, MESSAGES
        jb .next
        mov eax, edx
        ret

; The bell: whoever slept looks again. The monitor wants no end of interrupt, only its bits cleared.
on_bell:
        lock and dword [clock + TOYVMM_CLOCK_PAGE.pending], 0
        iretd

on_exception:
        mov eax, [esp + FRAME.vector]
        jmp failed

        section .bss
        alignb 4096
shared: resb 4096
clock:  resb 4096
self:   resd 1
peer:   resd 1
