; disk-loader.asm - a boot sector that starts any of our Multiboot guests from a disk, for machines that know nothing of
; Multiboot: Bochs, a real PC, or ToyVmm's own BIOS. `build.sh --disk NAME FILE` puts the two together.
;
; The BIOS gives us 512 bytes and INT 13h. The guest's flat image follows from the second sector on; it is read below
; 640 KiB, copied to 1 MiB, and entered in protected mode as the Multiboot specification says (3.2): EAX = magic,
; EBX = information, flat segments. The symbols PAYLOAD (file), ENTRY and IMAGE_END (addresses) come from build.sh, and
; COMMAND_LINE (a string), where the guest is to have one.

        bits 16
        org 0x7C00
%include "toyvmm.inc"

BUFFER          equ 0x10000             ; where the payload is read to
TARGET          equ 0x100000
SECTORS         equ (payload_end - payload + 511) / 512

start:  cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        sti
        mov [drive], dl

        mov ah, 0x08                    ; INT 13h AH=08h: the drive's geometry, floppy or disk
        int 0x13
        jc .failed
        and cx, 0x3F                    ; CL bits 5-0 = sectors a track
        mov [sectors_per_track], cx
        movzx dx, dh
        inc dx                          ; DH = the highest head
        mov [heads], dx

        mov ax, BUFFER >> 4
        mov es, ax
        mov si, 1                       ; logical sector
        mov cx, SECTORS
.read:  push cx
        mov ax, si
        xor dx, dx
        div word [sectors_per_track]    ; AX = track, DX = sector on it, from 0
        mov cl, dl
        inc cl
        xor dx, dx
        div word [heads]                ; AX = cylinder, DX = head
        mov ch, al                      ; cylinders above 255 are never needed here
        mov dh, dl
        mov dl, [drive]
        mov ax, 0x0201                  ; INT 13h AH=02h: read one sector to ES:BX
        xor bx, bx
        int 0x13
        pop cx
        jc .failed
        mov ax, es
        add ax, 512 >> 4
        mov es, ax
        inc si
        loop .read

        mov ax, 0x2401                  ; INT 15h AX=2401h: A20 on
        int 0x15
        cli
        in al, 0x92                     ; and by the fast gate, where the BIOS call is missing
        or al, 2
        and al, ~1
        out 0x92, al
        lgdt [gdt_pointer]
        mov eax, cr0
        or al, CR0_PE
        mov cr0, eax
        jmp 0x08:.protected

.failed:
        call serial_init16
        mov si, text_failed
        call print16
        call serial_drain16
        mov al, 1
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

        bits 32
.protected:
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        cld
        mov esi, BUFFER
        mov edi, TARGET
        mov ecx, SECTORS * 512 / 4
        rep movsd
        mov ecx, IMAGE_END
        mov edi, TARGET + payload_end - payload
        sub ecx, edi
        jbe .no_bss
        xor eax, eax
        rep stosb
.no_bss:
        mov eax, 0x2BADB002
        mov ebx, information
        jmp ENTRY
        bits 16

%include "console16.inc"

text_failed:    db "disk error", 10, 0
drive:          db 0
sectors_per_track: dw 0
heads:          dw 0
        align 8
gdt:    dq 0
        DESCRIPTOR 0, 0xFFFFF, SEG_CODE, FLAG_4K_32
        DESCRIPTOR 0, 0xFFFFF, SEG_DATA, FLAG_4K_32
gdt_pointer:
        dw $ - gdt - 1
        dd gdt
%ifdef COMMAND_LINE
information:    dd 1 | 1 << 2, 639, 31 * 1024, 0, command_line
command_line:   db COMMAND_LINE, 0
%else
information:    dd 1, 639, 31 * 1024    ; flags: memory sizes only; this loader does not ask the BIOS
%endif

        times 510 - ($ - $$) db 0
        dw 0xAA55

payload:
        incbin PAYLOAD
payload_end:
        times 1474560 - ($ - $$) db 0   ; a 1.44 MB floppy
