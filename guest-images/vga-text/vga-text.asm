; guest: vga-text
; format: boot-sector
; teaches: a text screen: characters, attributes, two fonts at once, the cursor, and where the glyphs live
; expect-status: 33
; expect-serial: the screen: CC8C8A32\n
; expect-serial: the glyphs: 78921CFE\n
;
; Sixteen rows of characters in sixteen attributes. Attribute bit 7 makes backgrounds bright (INT 10h AX=1003h); bit 3 also chooses
; the second font: a copy of the first at 16 KiB, turned upside down by the program. Fonts are in plane 2, 32 bytes a character, and
; the sequencer's register 3 says which two are shown. See the screen: toyvmm run vga-text --screenshot screen.png

        bits 16
        org 0x7C00
%include "toyvmm.inc"

start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        cld
        call serial_init16
        mov ax, 0x0003
        int 0x10
        mov ax, 0x1003                  ; bright backgrounds
        mov bl, 0
        int 0x10
        mov ah, 0x01                    ; no cursor
        mov cx, 0x2000
        int 0x10

        ; Character 16 * row + column / 4, attribute 17 * row + column.
        push word 0xB800
        pop es
        xor di, di
        xor bx, bx                      ; BL = row, BH = column
.cell:  movzx ax, bl
        imul dx, ax, 17
        shl al, 4
        mov cl, bh
        shr cl, 2
        add al, cl
        mov ah, dl
        add ah, bh
        stosw
        inc bh
        cmp bh, 80
        jb .cell
        mov bh, 0
        inc bl
        cmp bl, 25
        jb .cell
        mov cx, 80 * 25 * 2
        call sum16
        mov si, text_screen
        call report16

        ; Open plane 2 at A0000, as a BIOS does to load a font.
        push word 0xA000
        pop es
        mov si, open
        call registers
        push ds
        push es
        pop ds
        xor si, si
.glyph: lea di, [si + 0x4000 + 15]      ; its last row
        mov cx, 16
.dots:  lodsb
        mov [es:di], al
        dec di
        loop .dots
        add si, 16
        cmp si, 256 * 32
        jb .glyph
        pop ds
        mov cx, 256 * 32
        call sum16
        mov ebx, edx
        mov si, closed
        call registers
        mov edx, ebx
        mov si, text_glyphs
        call report16

        call serial_drain16
        mov al, 16
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

; DS:SI = pairs of port and index with value; ended by port 0.
registers:
        lodsw
        mov dx, ax
        test ax, ax
        jz .done
        lodsw
        out dx, ax
        jmp registers
.done:  ret

open:   dw 0x3C4, 0x0402, 0x3C4, 0x0604, 0x3CE, 0x0204, 0x3CE, 0x0005, 0x3CE, 0x0406, 0
closed: dw 0x3C4, 0x0302, 0x3C4, 0x0204, 0x3CE, 0x0004, 0x3CE, 0x1005, 0x3CE, 0x0E06
        dw 0x3C4, 0x0403, 0         ; font 1 where attribute bit 3 is set, font 0 elsewhere

%include "console16.inc"
%include "sums16.inc"

text_screen:    db "the screen: ", 0
text_glyphs:    db "the glyphs: ", 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
