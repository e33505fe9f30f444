package redisreport
import ("testing";"encoding/json";"os";"strings";"golang.org/x/text/cases";"golang.org/x/text/language";"unicode")
func TestCmp(t *testing.T){
 b,_:=os.ReadFile("/tmp/safe/out.json"); var rows [][2]string; if err:=json.Unmarshal(b,&rows);err!=nil{t.Fatal(err)}
 sp:=func(r rune)bool{return unicode.IsSpace(r)||r>=0x1c&&r<=0x1f}
 rep:=strings.NewReplacer(".","-",":","-","_","-")
 bad:=0;bad2:=0
 for _,r:=range rows{ s:=strings.TrimFunc(r[0],sp)
  if g:=rep.Replace(cases.Lower(language.Und).String(s));g!=r[1]{bad++; if bad<40{t.Logf("cases %q got %q want %q",r[0],g,r[1])}}
  if g:=rep.Replace(strings.ToLower(s));g!=r[1]{bad2++; if bad2<20{t.Logf("tolower %q got %q want %q",r[0],g,r[1])}}
 }
 t.Log(len(rows),bad,bad2)
}
