; guest: unreal
; format: raw
; teaches: a segment register is a selector *and* a hidden descriptor: "big real mode" lives in the difference
; expect-status: 0
; expect-serial: back in real mode\n
; expect-serial: wrote and read at 2 MiB\n
; expect-serial: ES has a new base and the old limit\n
; expect-serial: REP MOVSB above 1 MiB\n
;
; A visit to protected mode loads DS's hidden part with a 4 GiB limit. Back in real mode, loading a segment register
; changes only the base (SDM 3A 9.9.2, 3.4.3), so the limit stays - and 16-bit code reaches all memory with 32-bit
; offsets. DOS games and BIOSes relied on this.

        bits 16
        org 0x7C00
%include "toyvmm.inc"

FAR_AWAY        equ 0x00200000          ; 2 MiB: out of reach for segment * 16 + offset

start:  cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        call serial_init16

        ; A20 must be on, or bit 20 of every address reads as 0 (the 8042's output port, as in `a20`).
        call kbc_wait
        mov al, 0xD1
        out KBC_COMMAND, al
        call kbc_wait
        mov al, 0xDF
        out KBC_DATA, al
        call kbc_wait

        lgdt [gdt_pointer]
        mov eax, cr0
        or al, CR0_PE
        mov cr0, eax
        jmp .protected                  ; CS is not reloaded: still 16-bit code, limit 64 KiB
.protected:
        mov bx, 8                       ; the flat data segment: base 0, limit 4 GiB
        mov ds, bx
        mov es, bx
        and al, ~CR0_PE
        mov cr0, eax
        jmp .real
.real:  xor ax, ax
        mov ds, ax                      ; base = 0 * 16; the limit stays 4 GiB
        mov si, text_back
        call print16

        mov ebx, FAR_AWAY
        mov dword [ebx], 0x12345678     ; an offset above FFFF: #GP in plain real mode
        mov byte [ebx + 1], 0xAA
        mov eax, [dword FAR_AWAY]
        cmp eax, 0x1234AA78
        jne failed
        mov si, text_wrote
        call print16

        ; A new base, the old limit: ES = 1000h means base 10000h.
        mov ax, 0x1000
        mov es, ax
        mov eax, [es:ebx - 0x10000]
        cmp eax, 0x1234AA78
        jne failed
        mov si, text_base
        call print16

        ; String instructions obey the address size too: ECX, ESI and EDI with the 67h prefix.
        cld
        xor ax, ax
        mov es, ax
        mov esi, FAR_AWAY
        mov edi, FAR_AWAY + 0x10000
        mov ecx, 4
        a32 rep movsb
        mov eax, [dword FAR_AWAY + 0x10000]
        cmp eax, 0x1234AA78
        jne failed
        mov si, text_string
        call print16
        call serial_drain16

        mov dx, POWER_OFF
        mov ax, POWER_OFF_VALUE
        out dx, ax
.hang:  cli
        hlt
        jmp .hang

failed: mov si, text_failed
        call print16
        call serial_drain16
        mov al, 1
        out DEBUG_EXIT, al
.hang:  cli
        hlt
        jmp .hang

; Waits until the 8042 takes another byte (status bit 1: input buffer full).
kbc_wait:
        in al, KBC_COMMAND
        test al, 2
        jnz kbc_wait
        ret

%include "console16.inc"

text_back:      db "back in real mode", 10, 0
text_wrote:     db "wrote and read at 2 MiB", 10, 0
text_base:      db "ES has a new base and the old limit", 10, 0
text_string:    db "REP MOVSB above 1 MiB", 10, 0
text_failed:    db "FAILED", 10, 0

        align 8
gdt:    dq 0
        DESCRIPTOR 0, 0xFFFFF, SEG_DATA, FLAG_4K_32
gdt_pointer:
        dw $ - gdt - 1
        dd gdt
